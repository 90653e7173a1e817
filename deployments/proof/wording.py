"""Kinds and sizes of shifts as people read them."""

from collections.abc import Iterator
from typing import Final

from deployments.proof.result import Continuous, Followed
from infra.errors import few
from tasks.verification.spec import ShiftKind

TITLES: Final[dict[ShiftKind, str]] = {
    ShiftKind.MEAN: "mean",
    ShiftKind.VARIANCE: "variance",
    ShiftKind.SEGMENT: "new segment",
    ShiftKind.FLIP: "label flip",
    ShiftKind.SWAP: "category swap",
    ShiftKind.UNIT: "unit change",
    ShiftKind.MISSING: "missing block",
    ShiftKind.SILENCE: "silence",
    ShiftKind.UNSCORED: "no prediction",
    ShiftKind.LATE: "late predictions",
    ShiftKind.OUTAGE: "outage",
}

GROUPS: Final = ("the world moves", "the feed breaks", "predictions do not come")
"""What each kind of shift belongs to, in their order."""


def group_of(kind: ShiftKind) -> str:
    """What a kind of shift belongs to.

    >>> group_of(ShiftKind.OUTAGE)
    'predictions do not come'
    """
    return GROUPS[0 if kind.of_world else 1 if kind.of_feed else 2]


def sized(kind: ShiftKind, size: float) -> str:
    """A size with its unit.

    >>> sized(ShiftKind.MEAN, 0.5), sized(ShiftKind.FLIP, 0.025)
    ('0.5 sd', '2.5 %')
    """
    if kind is ShiftKind.MEAN:
        return f"{size:g} sd"
    if kind is ShiftKind.VARIANCE:
        return f"×{size:g} sd"  # noqa: RUF001 - times
    return f"{100 * size:g} %"


def notes(proof: Continuous) -> Iterator[str]:
    """What was left out, who would be told, and what followed; a line each."""
    if proof.unlabelled_windows:
        names = few(list(proof.unlabelled_windows))
        yield f"{len(proof.unlabelled_windows)} windows without labels were not dealt: {names}."
    if proof.unlabelled_rows:
        yield f"{proof.unlabelled_rows:,} rows without a label were not dealt."
    for name, why in proof.left_out.items():
        yield f"{name}: not tried, {why}."
    if not proof.channels:
        yield "The model declares no alerts: what follows is on record, and nobody is told of it."
    else:
        for occasion, kinds in proof.untold.items():
            those = few([each.value for each in kinds], most=len(kinds))
            yield f"No declared channel is told of {occasion}, which follows from gross {those}."
    if proof.followed is not None:
        yield _said(proof.followed)


def outcome(proof: Continuous) -> str:
    """What came of a proof, in a line of the ledger; what was not tried is named with it."""
    found = " ".join(proof.failures) or "Every shift that was tried was seen as declared."
    names = few(list(proof.left_out), most=len(ShiftKind))
    return f"{found} Not tried: {names}." if names else found


def _said(through: Followed) -> str:
    """What one gross shift led to, from the alert to the gates."""
    by = "" if through.declared else " by a rule of this proof's own"
    told = (
        f"{few(list(through.told))} got {through.message!r}{by}"
        if through.told
        else "no channel is told of it"
    )
    if through.started is None:
        return f"{through.kind}: {told}; no run was asked for."
    asked = f"{through.started.deployment} was asked for"
    if through.started.cause is not None:
        asked += f", cause {through.started.cause}"
    if through.champion is None or through.challenger is None:
        return f"{through.kind}: {told}; {asked}."
    return (
        f"{through.kind}: {told}; {asked}; a training of {through.trained_rows:,} rows ran, "
        f"{through.metric} {through.champion:.4f} to {through.challenger:.4f}, the gates: "
        f"{through.gates}"
    )
