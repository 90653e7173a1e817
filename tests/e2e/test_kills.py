"""Flows that are killed with SIGKILL in the middle and run again: nothing twice, nothing lost."""

import pytest

from infra.ledger import Kind, Ledger
from tasks.references import Cause
from tests.support.flow_runs import runs_of, steps
from tests.support.killer import finish, kill
from tests.support.standing import champions, closed, made

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MODEL = "kills"
WHEN = closed("2024-03")


@pytest.mark.parametrize(
    ("month", "at"),
    [
        ("2024-01", "tasks.data.publishing:write_report"),
        ("2024-02", "tasks.data.publishing:commit_staged"),
        ("2024-03", "tasks.data.publishing:append"),
    ],
    ids=["rows staged, no report", "inspected, nothing written", "tables written, no manifest"],
)
def test_an_ingest_that_is_killed_and_run_again_writes_one_manifest(
    model: str, month: str, at: str
) -> None:
    """Until the manifest is there nobody sees a row; afterwards everybody sees all, once."""
    asked = {"model": model, "window": month, "as_of": closed(month)}

    kill("ingest", at, "before", **asked)
    half_way = made(model).manifests
    end = finish("ingest", **asked)

    assert month not in half_way
    assert end.state == "Accepted", end
    assert made(model).manifests.count(month) == 1
    assert len([each for each in _ingested(model) if each == month]) == 1


def test_a_training_that_is_killed_again_and_again_makes_one_of_each(model: str) -> None:
    """Each attempt goes on where the one before it died, and does no finished step again."""
    from tests.support.deliveries import ingested

    for month in ("2024-01", "2024-02", "2024-03"):
        ingested(month, model=model)
    asked = {"model": model, "cause": Cause.DRIFT, "as_of": WHEN}

    kill("train", "sklearn.ensemble:HistGradientBoostingClassifier.fit", "before", **asked)
    fitting = made(model)
    kill("train", "tasks.registry.registration:_registered", "after", **asked)
    registered = made(model)
    kill("train", "infra.bentos:_build", "during", **asked)
    building = made(model)
    kill("train", "tasks.packaging.smoke:judge_answers", "before", **asked)
    testing = made(model)
    kill("train", "flows.train:request_review", "before", **asked)
    end = finish("train", **asked)

    assert (fitting.versions, registered.versions) == ((), (1,))
    assert (building.bentos, testing.bentos) == (0, 1)
    assert end.state == "Asked", end
    assert (made(model).versions, made(model).bentos) == ((1,), 1)
    assert {step for step, state in steps(end.run).items() if state != "Cached"} == {
        "read_history",
        "champion",
        "record_verdict",
    }
    assert len(Ledger().entries(model, Kind.GATE)) == 1
    assert len(runs_of("review", model)) == 1


def test_a_promotion_that_is_killed_and_run_again_is_one_decision_everywhere(model: str) -> None:
    """The ledger is first; what the kill left behind it is brought in line by the next attempt."""
    asked = {"model": model, "version": 1, "reason": "It is better.", "actor": "ann"}
    asked["as_of"] = WHEN

    kill("promote", "tasks.registry.succession:_repair_alias", "before", **asked)
    decided = champions(model)
    kill("promote", "tasks.registry.succession:_repair_serving", "before", **asked)
    pointed = champions(model)
    end = finish("promote", **asked)

    assert (decided, pointed) == ((1, None, None), (1, 1, None))
    assert end.state == "Promoted", end
    assert champions(model) == (1, 1, 1)
    assert len(Ledger().entries(model, Kind.PROMOTION)) == 1
    assert Ledger().verify() > 0


def _ingested(model: str) -> list[object]:
    return [each.payload["window"] for each in Ledger().entries(model, Kind.INGEST)]
