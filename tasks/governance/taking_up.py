"""What a verdict asked for and a run that was killed, or a freeze, has left undone."""

from datetime import datetime, timedelta
from typing import Final

from infra import store
from infra.ledger import Kind, Ledger, Recorded
from infra.runs import find
from tasks.governance.consequences import (
    parts_of,
    question_of,
    request_review,
    request_rollback,
    request_training,
)
from tasks.governance.currency import outdated
from tasks.governance.drifts import conclusion_of, verdict_of
from tasks.governance.evidence import read_evidence
from tasks.governance.notices import Notice, drift_notice
from tasks.governance.reviews import reachable_prefect
from tasks.governance.trainings import begun_for, deciding, going_on
from tasks.references import Action, Conclusion, Evidence

_ANSWERS: Final = (Kind.QUESTION, Kind.REVIEW)
_OWN: Final = timedelta(minutes=10)
"""For so long after its verdict a monitor may still be telling."""
_NEWS: Final = timedelta(days=1)
_AT_ONCE: Final = 2
"""Windows that a monitor judges in one run at most."""


def take_up(model: str, *, frozen: bool = False) -> str:
    """What was started of the newest verdicts, which asked for it and found nobody to start it.

    Those of the last run, which may have judged two windows. A sentence; empty where all is done.
    What it asks for is void once another version is in charge, the window was judged anew, or
    something was trained since.

    Args:
        model: its name.
        frozen: whether no training may start now.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        ConfigError: the model has no deployment of what is to be started.
        DataError: the evidence of the verdict is gone.
    """
    with deciding(model):
        found = [_taken_up(each, frozen=frozen) for each in _newest(model)]
    return " ".join(filter(None, found))


def _newest(model: str) -> list[Recorded]:
    """The last record of drift of each window that was judged at the last time."""
    last = Ledger().entries(model, Kind.DRIFT, limit=_AT_ONCE)
    of_run = [each for each in last if each.as_of == last[-1].as_of]
    return list({each.payload["window"]: each for each in of_run}.values())


def _taken_up(drift: Recorded, *, frozen: bool) -> str:
    asked, model = conclusion_of(drift), drift.model
    if asked.action.rank < Action.ASK.rank:
        return ""
    if asked.action is Action.RETRAIN and (frozen or _was_trained(drift)):
        return ""
    if asked.action is Action.ASK and _was_asked(drift):
        return ""
    evidence = read_evidence.fn(store.uri("evidence", model, f"{drift.evidence}.json"))
    return "" if outdated(evidence) else _started(evidence, asked)


def untold(model: str, now: datetime) -> Notice | None:
    """What a monitor that was killed has not told of the newest verdict, perhaps; None if nothing.

    Whoever was told already is not told again, and a monitor that goes on tells it itself: the
    first minutes are its own. Beyond a day it is no news.

    Args:
        model: its name.
        now: the time.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        DataError: the evidence of the verdict is gone.
    """
    drift = Ledger().last(model, Kind.DRIFT)
    if drift is None or not _OWN < now - drift.at < _NEWS:
        return None
    evidence = read_evidence.fn(store.uri("evidence", model, f"{drift.evidence}.json"))
    verdict, asked = parts_of(evidence)
    if asked.action is not Action.ASK:
        return drift_notice(verdict, asked)
    with reachable_prefect():
        review = find("review", model, question_of(evidence))
    return drift_notice(verdict, asked, str(review.id)) if review else None


def _started(evidence: Evidence, asked: Conclusion) -> str:
    model = evidence.model
    match asked.action:
        case Action.RETRAIN:
            request_training(evidence)
            why = "the freeze is over that held it" if asked.held else "a monitor was cut off"
            return f"A training of {model} was asked for, cause {asked.cause}: {why}."
        case Action.ASK if not _has_run("review", model, question_of(evidence)):
            request_review(evidence)
            return f"A person is asked about {model}: a monitor was cut off before it did."
        case Action.ROLLBACK if not _has_run("promote", model, evidence.digest):
            request_rollback(evidence, asked)
            return f"A rollback of {model} was asked for: a monitor was cut off before it did."
    return ""


def _was_trained(drift: Recorded) -> bool:
    """Whether its training was started, something was trained since, or is now."""
    gate = Ledger().last(drift.model, Kind.GATE)
    if gate is not None and gate.as_of >= drift.as_of:
        return True
    return begun_for(verdict_of(drift)) is not None or bool(going_on(drift.model))


def _was_asked(drift: Recorded) -> bool:
    said = Ledger().entries(drift.model, _ANSWERS)
    return any(each.evidence == drift.evidence for each in said)


def _has_run(flow: str, model: str, because: object) -> bool:
    with reachable_prefect():
        return find(flow, model, because) is not None
