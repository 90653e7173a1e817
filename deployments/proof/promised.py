"""Predictions that do not come as promised: some, late, or for a while none."""

from deployments.proof.streams import Said
from tasks.monitoring.feed import SCORED_AT
from tasks.monitoring.spec import MonitoringSpec
from tasks.verification.shifts import delayed, interrupted, thinned
from tasks.verification.spec import ShiftKind

_LATER = 2
"""How many times the promised time a late prediction takes."""


def broken_promise(kind: ShiftKind, size: float, spec: MonitoringSpec, seed: int) -> Said:
    """What becomes of a window's predictions.

    Args:
        kind: one of the predictions.
        size: share of them.
        spec: whose objective says what late is.
        seed: of which ones are missing.
    """
    match kind:
        case ShiftKind.UNSCORED:
            return lambda said: thinned(said, size, seed)
        case ShiftKind.OUTAGE:
            return lambda said: interrupted(said, size)
        case _:
            assert spec.objective is not None  # noqa: S101 - without one it is not tried
            by = _LATER * max(spec.objective.within, spec.objective.within.resolution)
            return lambda said: delayed(said, SCORED_AT, by, size)


def not_promised(kind: ShiftKind, spec: MonitoringSpec) -> str:
    """Why a kind has nothing that it could break; empty where it has."""
    if kind is ShiftKind.LATE and spec.objective is None:
        return "monitoring declares no objective, and nothing is late"
    return ""
