"""Kinds and sizes of shifts as people read them."""

from typing import Final

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
}


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
