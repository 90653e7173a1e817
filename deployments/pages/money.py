"""What the predictions of each window were worth, beside the metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deployments.pages.frame import Frame
from deployments.pages.story import Judged

_HEIGHT: Final = 40.0
_ROOM_FOR_TEXT: Final = 40.0
_WIDEST: Final = 44.0


@dataclass(frozen=True)
class Sum:
    """The money of one window: a bar up from nothing, or down where it was lost."""

    x: float
    width: float
    y: float
    height: float
    kind: str
    text: str
    title: str


@dataclass(frozen=True)
class Money:
    """The money of the windows.

    Attributes:
        base: where nothing stands.
        bottom: the end of the lane.
        sums: of the windows of which it is known.
    """

    base: float
    bottom: float
    sums: tuple[Sum, ...]


def money(judged: Mapping[int, Judged], currency: str, frame: Frame, top: float) -> Money | None:
    """The lane of money; None where no window has any.

    Args:
        judged: windows by the place of their column.
        currency: that is declared; empty where none is.
        frame: the columns.
        top: where the lane begins.
    """
    worth = {place: each.metrics["value"] for place, each in judged.items() if _is_told(each)}
    if not worth:
        return None
    most, least = max(*worth.values(), 0.0), min(*worth.values(), 0.0)
    scale = _HEIGHT / ((most - least) or 1.0)
    base, width = top + 14 + most * scale, min(max(frame.step - 6, 2.0), _WIDEST)
    sums = tuple(
        Sum(
            x=frame.edge(place) + (frame.step - width) / 2,
            width=width,
            y=base - max(value, 0.0) * scale,
            height=max(abs(value) * scale, 1.0),
            kind="gain" if value >= 0 else "loss",
            text=in_short(value) if frame.step >= _ROOM_FOR_TEXT else "",
            title=f"{judged[place].window}: {_said(judged[place], currency)}",
        )
        for place, value in worth.items()
    )
    return Money(base=base, bottom=top + 14 + _HEIGHT + 18, sums=sums)


def in_money(value: float, currency: str = "") -> str:
    """An amount as people write it.

    >>> in_money(1234567.4, "EUR"), in_money(-3.1)
    ('1,234,567 EUR', '-3.10')
    """
    digits = 0 if abs(value) >= 1000 else 2  # noqa: PLR2004 - pence tell nothing of thousands
    return f"{value:,.{digits}f} {currency}".rstrip()


def gained(each: Judged, currency: str) -> str:
    """How much the predictions of a window brought, in words; empty where it is not known."""
    value = each.metrics.get("value_gained")
    if value is None:
        return ""
    word = "more" if value >= 0 else "less"
    return f"{in_money(abs(value), currency)} {word} than acting without predictions"


def in_short(value: float) -> str:
    """An amount in few letters.

    >>> in_short(-28135.0), in_short(2_500_000), in_short(12.0)
    ('-28k', '2.5M', '12')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.{1 if abs(value) < 10 * size else 0}f}{letter}"
    return f"{value:.0f}"


def _is_told(each: Judged) -> bool:
    return "value" in each.metrics


def _said(each: Judged, currency: str) -> str:
    said, more = in_money(each.metrics["value"], currency), gained(each, currency)
    return f"{said}, {more}" if more else said
