"""Whether what a reviewer was shown is still so, by the ledger alone."""

from infra.ledger import Kind, Ledger, Recorded
from tasks.governance.drifts import verdict_of
from tasks.references import (
    Action,
    Candidate,
    Comparison,
    DriftVerdict,
    Evidence,
    Inspection,
    Subject,
    WatchKind,
)

_BATCHES = (Kind.INGEST, Kind.HOLD, Kind.REFUSAL)


def outdated(evidence: Evidence) -> str:
    """Why a decision on the evidence would be void, in a sentence; empty where it would hold.

    A batch is outdated by a newer one of its window, a verdict by a newer one of its window or by
    another champion, and a candidate by a champion that it was not compared with.

    Raises:
        BackendError: the database is gone.
    """
    match evidence.subject:
        case Subject.BATCH:
            return _newer_batch(evidence)
        case Subject.CANDIDATE:
            compared = Comparison.model_validate(evidence.payload["comparison"])
            return _other_champion(evidence.model, compared.against)
        case Subject.DRIFT:
            seen = DriftVerdict.model_validate(evidence.payload["verdict"])
            return _other_champion(seen.model, str(seen.champion)) or _newer_verdict(seen)


def _other_champion(model: str, seen: str) -> str:
    crowned = Ledger().last(model, (Kind.PROMOTION, Kind.ROLLBACK))
    if crowned is None:
        return ""
    now = str(Candidate.model_validate(crowned.payload["candidate"]).version)
    return "" if now == seen else f"Version {now} is in charge now; what was shown is of {seen}."


def _newer_batch(evidence: Evidence) -> str:
    seen = Inspection.model_validate(evidence.payload["inspection"])
    window = seen.delivery.window
    said = Ledger().entries(evidence.model, _BATCHES)
    return _followed(_of(said, window), seen.digest, f"batch of {window}")


def _newer_verdict(seen: DriftVerdict) -> str:
    said = Ledger().entries(seen.model, Kind.DRIFT)
    others = [
        each
        for each in _of(said, seen.window)
        if each.subject == seen.digest or not _says_the_same(verdict_of(each), seen)
    ]
    return _followed(others, seen.digest, f"verdict on {seen.window}")


def _says_the_same(newer: DriftVerdict, seen: DriftVerdict) -> bool:
    """Whether a verdict was only reached again: on the same data, with the same causes."""
    return (
        bool(seen.data_version)
        and newer.data_version == seen.data_version
        and newer.champion == seen.champion
        and _kinds(newer) == _kinds(seen)
    )


def _kinds(verdict: DriftVerdict) -> set[tuple[WatchKind, Action]]:
    return {(each.kind, each.action) for each in verdict.causes}


def _of(said: tuple[Recorded, ...], window: str) -> list[Recorded]:
    return [each for each in said if each.payload["window"] == window]


def _followed(said: list[Recorded], digest: str, what: str) -> str:
    places = [place for place, each in enumerate(said) if each.subject == digest]
    newer = bool(places) and places[-1] < len(said) - 1
    return f"A newer {what} has come since." if newer else ""
