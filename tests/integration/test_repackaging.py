"""Another Bento of the version in charge, on a real ledger, with MLflow and what serves."""

from datetime import timedelta

from infra import identity
from infra.ledger import Kind, Ledger
from infra.serving import serving
from tasks.registry import replace_bento, require_champion
from tasks.registry.crownings import CROWNINGS
from tasks.registry.repackaging import packaged_at
from tests.support.registered import crowned, registered
from tests.support.stack import Stack
from tests.support.trained import AS_OF


def test_a_bento_built_anew_answers_for_the_same_reign(stack: Stack) -> None:
    """Version, time and line of champions stay; who was promoted later is in charge all the same.

    A run that is killed and goes on makes no second record.
    """
    first, second = registered("repacked", seed=1), registered("repacked", seed=2)
    before = crowned(first)
    anew = before.bento.model_copy(update={"tag": f"{before.bento.tag}-anew", "digest": "a" * 64})

    done = [replace_bento.fn(before, anew, "The service was mended.") for _ in range(2)]
    now, served = require_champion.fn("repacked"), serving("repacked")
    crowned(second, AS_OF + timedelta(days=31))
    late = replace_bento.fn(now, anew, "Too late.")

    assert (done, late) == ([True, True], False)
    assert (now.version, now.since, now.bento) == (1, before.since, anew)
    assert (served and served.bento, served and served.entry) == (anew.tag, now.entry)
    assert packaged_at(before) == before.candidate.commit
    assert packaged_at(now) == identity.commit()
    assert require_champion.fn("repacked").version == 2
    assert [each.kind for each in Ledger().entries("repacked", CROWNINGS)] == [
        *(Kind.PROMOTION, Kind.REPACKAGE, Kind.PROMOTION)
    ]
