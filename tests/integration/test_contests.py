"""Which challenger was turned down last, from the ledger and the evidence that it names."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from infra.ledger import Entry, Kind, Ledger
from tasks.governance import (
    evidence_for_candidate,
    evidence_for_drift,
    record_drift,
    record_verdict,
)
from tasks.governance.contests import contest
from tasks.references import Action, Ask, Cause, Champion, Conclusion, Refuse, Subject, Verdict
from tests.support.homes import home_on
from tests.support.subjects import bento, candidate, comparison, drift

_FIRST = candidate(1)
CHAMPION = Champion(
    model="flights",
    version=1,
    since=_FIRST.as_of,
    candidate=_FIRST,
    bento=bento(1),
    entry="e",
)


@pytest.fixture(autouse=True)
def _ledger(postgres: str, tmp_path: Path) -> Iterator[None]:
    with home_on(postgres, tmp_path):
        yield


def judged(version: int, day: int, verdict: Verdict, cause: Cause = Cause.DRIFT) -> str:
    """The digest of the evidence of a challenger that came before the gates on a day."""
    as_of = _FIRST.as_of + timedelta(days=day)
    challenger = candidate(version).model_copy(update={"as_of": as_of, "cause": cause})
    evidence = evidence_for_candidate.fn(challenger, bento(version), comparison(), verdict)
    record_verdict.fn(evidence, verdict)
    return evidence.digest


def reviewed(digest: str, day: int, *, approved: bool) -> None:
    """What a person said of it."""
    Ledger().append(
        Entry(
            kind=Kind.REVIEW,
            model="flights",
            as_of=_FIRST.as_of + timedelta(days=day),
            subject=digest,
            evidence=digest,
            payload={"approved": approved, "subject": Subject.CANDIDATE.value},
        )
    )


def turned_down(day: int, champion: Champion = CHAMPION) -> int | None:
    """The version that was turned down last before a day."""
    found = contest.fn(champion, _FIRST.as_of + timedelta(days=day)).turned_down
    return found.version if found else None


def test_the_gates_and_people_turn_challengers_down() -> None:
    """What was approved, or trained for another cause, is none of them; the last one counts."""
    judged(2, 1, Refuse(why="It gains nothing."))
    reviewed(judged(3, 2, Ask(why="A person approves.")), 2, approved=False)
    reviewed(judged(4, 3, Ask(why="A person approves.")), 3, approved=True)
    judged(5, 4, Refuse(why="It gains nothing."), cause=Cause.PERSON)

    assert [turned_down(day) for day in (1, 2, 3, 9)] == [None, 2, 3, 3]


def test_a_new_champion_starts_without_what_was_turned_down_before_it() -> None:
    """A challenger of another champion says nothing about this one."""
    judged(2, 1, Refuse(why="It gains nothing."))
    later = CHAMPION.model_copy(update={"since": _FIRST.as_of + timedelta(days=5)})

    assert turned_down(9, later) is None


def test_the_course_is_what_was_said_of_each_window_last() -> None:
    """A picture of the windows before needs no row of them; what comes later has no part in it."""
    for day, window, value in ((1, "2013-05", 0.71), (2, "2013-06", 0.72), (3, "2013-05", 0.70)):
        as_of = _FIRST.as_of + timedelta(days=day)
        said = drift().model_copy(
            update={
                "window": window,
                "as_of": as_of,
                "digest": f"{day}",
                "metrics": {"roc_auc": value, "unlabelled": 0.1},
            }
        )
        conclusion = Conclusion(action=Action.ALERT)
        record_drift.fn(evidence_for_drift.fn(said, conclusion), said, conclusion)

    early, late = (
        contest.fn(CHAMPION, _FIRST.as_of + timedelta(days=day)).course for day in (3, 4)
    )

    assert early == {"2013-05": {"roc_auc": 0.71}, "2013-06": {"roc_auc": 0.72}}
    assert late == {"2013-05": {"roc_auc": 0.70}, "2013-06": {"roc_auc": 0.72}}
