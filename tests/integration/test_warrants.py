"""By what right a version is put in charge: only what the ledger holds counts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.entries import Entry, Kind
from infra.errors import ConfigError
from infra.ledger import Ledger
from tasks.registry import predecessors, require_champion, require_warrant
from tests.support.crowning_flow import crowned
from tests.support.homes import home_on
from tests.support.subjects import bento, candidate

_MAY = datetime(2013, 5, 1, tzinfo=UTC)
VERSION = candidate(2)


@pytest.fixture(autouse=True)
def ledger(postgres: str, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    with home_on(postgres, tmp_path):
        yield Ledger()


def judged(ledger: Ledger, verdict: str, evidence: str = "e1", day: int = 0) -> None:
    """What the gates said of the version."""
    ledger.append(
        Entry(
            kind=Kind.GATE,
            model=VERSION.model,
            as_of=_MAY + timedelta(days=day),
            subject=VERSION.digest,
            actor="gate",
            evidence=evidence,
            reason="The gain is 0.001.",
            payload={"verdict": verdict, "version": VERSION.version},
        )
    )


def decided(ledger: Ledger, *, approved: bool, evidence: str = "e1") -> None:
    """What a person answered."""
    ledger.append(
        Entry(
            kind=Kind.REVIEW,
            model=VERSION.model,
            as_of=_MAY,
            subject=evidence,
            actor="ann",
            evidence=evidence,
            reason="It is worth it.",
            payload={"approved": approved},
        )
    )


def put_in_charge(ledger: Ledger, version: int, at: datetime) -> None:
    """A promotion, whatever warrants it."""
    made = candidate(version)
    ledger.append(
        Entry(
            kind=Kind.PROMOTION,
            model=made.model,
            as_of=at,
            subject=f"{version} at {at}",
            payload={
                "candidate": made.model_dump(mode="json"),
                "bento": bento(version).model_dump(mode="json"),
            },
        )
    )


def test_who_was_in_charge_while_a_window_went_on(ledger: Ledger) -> None:
    """From the one that was there when it began, without those of before and of the same moment."""
    for version, day in ((1, -80), (2, -40), (3, 3), (4, 3), (2, 10), (5, 31)):
        put_in_charge(ledger, version, _MAY + timedelta(days=day))
    champion = require_champion.fn(VERSION.model, _MAY + timedelta(days=32))

    told = [
        [each.version for each in predecessors.fn(champion, window)]
        for window in ("2013-01", "2013-05", "2013-06", "2013-05-20")
    ]

    assert told == [[1, 2, 4, 2], [2, 4, 2], [2], [2]]


def test_the_first_champion_has_nobody_before_it(ledger: Ledger) -> None:
    """Whatever the window."""
    put_in_charge(ledger, 1, _MAY)
    champion = require_champion.fn(VERSION.model, _MAY + timedelta(days=1))

    assert predecessors.fn(champion, "2013-05") == ()
    assert predecessors.fn(champion, "all") == ()


def refusal(evidence: str = "") -> tuple[str, str]:
    """What is said, and advised, of a promotion that is not allowed."""
    with pytest.raises(ConfigError) as caught:
        require_warrant.fn(VERSION, evidence)
    return str(caught.value.args[0]), caught.value.advice


@pytest.mark.parametrize("evidence", ["", "e1"])
def test_what_the_gates_let_through_may_be_in_charge(ledger: Ledger, evidence: str) -> None:
    """A training names the evidence of its verdict, a person need not."""
    judged(ledger, "promote")

    require_warrant.fn(VERSION, evidence)


def test_what_nobody_judged_may_not(ledger: Ledger) -> None:
    """A training that was cut off before its gates has left a version."""
    said, advice = refusal()

    assert said.startswith("Nobody judged version 2 of flights:")
    assert "train/flights" in advice


def test_what_the_gates_refused_may_not(ledger: Ledger) -> None:
    """The reason is theirs, and the way to a champion of before is named."""
    judged(ledger, "refuse")

    said, advice = refusal()

    assert said == "The gates refused version 2 of flights: The gain is 0.001."
    assert "perennial rollback flights" in advice


def test_what_waits_for_a_person_may_not(ledger: Ledger) -> None:
    """The review is the place to decide, where the evidence is."""
    judged(ledger, "ask")

    said, advice = refusal()

    assert "want a person to decide about version 2 of flights" in said
    assert "perennial review" in advice


def test_what_a_person_approved_may_be_in_charge(ledger: Ledger) -> None:
    """On the evidence that was shown, and on no other."""
    judged(ledger, "ask")
    decided(ledger, approved=True)

    require_warrant.fn(VERSION, "e1")
    require_warrant.fn(VERSION, "")

    judged(ledger, "ask", evidence="e2", day=1)
    assert "want a person to decide" in refusal()[0]
    assert "want a person to decide" in refusal("e2")[0]


def test_what_a_person_refused_may_not(ledger: Ledger) -> None:
    """Who refused it and why is said."""
    judged(ledger, "ask")
    decided(ledger, approved=False)

    assert refusal("e1")[0] == "ann refused version 2 of flights: It is worth it."


def test_evidence_that_the_ledger_does_not_hold_counts_for_nothing(ledger: Ledger) -> None:
    """Whoever names it is not believed."""
    judged(ledger, "promote")

    said, _ = refusal("made-up-evidence")

    assert "on the evidence made-up-evid:" in said


def test_without_evidence_the_newest_verdict_counts(ledger: Ledger) -> None:
    """Against a better champion the same version may be refused."""
    judged(ledger, "promote")
    judged(ledger, "refuse", evidence="e2", day=1)

    assert refusal()[0].startswith("The gates refused")
    require_warrant.fn(VERSION, "e1")


def test_what_was_in_charge_before_may_be_again(ledger: Ledger) -> None:
    """That is a rollback, whatever was said of it since."""
    crowned(2, _MAY)
    judged(ledger, "refuse", day=1)

    require_warrant.fn(VERSION, "")
