"""Where things stand in a picture: the places of columns, times and values."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from deployments.pages.columns import Column

_WIDEST: Final = 104.0
"""Of one column: a model with three windows has a small picture, not a stretched one."""

_LETTER: Final = 6.6
"""Width of a letter of an axis; two labels are kept a letter apart."""


@dataclass(frozen=True)
class Size:
    """The room of a picture: of a desk's screen, or of a phone's.

    Attributes:
        width: of the whole.
        left: of the axis, with the names of the lanes.
        right: for a word beside the last column.
        edge: before the first column and after the last, for what happened before and since.
        most: columns at most.
        widest: that names may make `left`.
        letter: width of a letter of a name.
    """

    width: float
    left: float
    right: float
    edge: float
    most: int
    widest: float
    letter: float

    def beside(self, names: Sequence[str]) -> "Size":
        """With as much room on the left as the longest of some names takes."""
        longest = max((len(name) for name in names), default=0)
        wanted = longest * self.letter + _BESIDE
        return replace(self, left=min(max(wanted, self.left), self.widest))

    @property
    def letters(self) -> int:
        """Of a name that fits on the left."""
        return int((self.left - _BESIDE) / self.letter)


_BESIDE: Final = 18.0
"""Between a name and its first cell, with the bar of its weight."""

WIDE: Final = Size(width=1032, left=132, right=58, edge=20, most=60, widest=262, letter=7.6)
NARROW: Final = Size(width=340, left=74, right=30, edge=10, most=12, widest=150, letter=7.3)
NAMED: Final = replace(NARROW, left=40, right=6, edge=4)
"""Of a phone's picture whose left side holds names, and whose right side no word."""


@dataclass(frozen=True)
class Label:
    """A word on the axis of windows."""

    x: float
    text: str
    above: str


class Frame:
    """The columns of a picture, side by side."""

    def __init__(self, columns: Sequence[Column], size: Size) -> None:
        """As many of the newest columns as there is room for.

        Args:
            columns: oldest first, at least one.
            size: of the picture.
        """
        self.columns = tuple(columns[-size.most :])
        self.left, self._edge = size.left, size.edge
        self.letters = size.letters
        room = size.width - size.left - size.right - 2 * size.edge
        self.step = min(room / len(self.columns), _WIDEST)
        self.first = size.left + size.edge
        self.last = self.first + self.step * len(self.columns)
        self.end = self.last + size.edge
        self.width = self.end + size.right

    def edge(self, place: int) -> float:
        """The left edge of a column."""
        return self.first + place * self.step

    def middle(self, place: int) -> float:
        """The middle of a column."""
        return self.edge(place) + self.step / 2

    def at(self, moment: datetime) -> float:
        """Where a moment stands: within its window, or beside all of them."""
        if moment < self.columns[0].start:
            return self.left + self._edge / 2
        for place, column in enumerate(self.columns):
            if moment < column.end:
                share = (moment - column.start) / (column.end - column.start)
                return self.edge(place) + self.step * min(max(share, 0.0), 1.0)
        return self.last + self._edge / 2

    def labels(self) -> Iterator[Label]:
        """The words below the columns: each k-th where all of them do not fit."""
        widest = max(len(each.label) for each in self.columns) + 1
        every = max(math.ceil(widest * _LETTER / self.step), 1)
        told, free = "", -math.inf
        for place, column in enumerate(self.columns):
            if place % every:
                continue
            x = self.middle(place)
            above = column.above if column.above != told and x >= free else ""
            if above:
                told, free = above, x + (len(above) + 1) * _LETTER
            yield Label(x, column.label, above)


@dataclass(frozen=True)
class Scale:
    """A vertical axis whose ends are round numbers."""

    low: float
    high: float
    top: float
    bottom: float
    ticks: tuple[float, ...]
    digits: int

    def y(self, value: float) -> float:
        """Where a value stands; what lies beyond stands at the end."""
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - (self.bottom - self.top) * min(max(share, 0.0), 1.0)

    def told(self, tick: float) -> str:
        """A tick in the digits that tell it from its neighbours."""
        return f"{tick:,.{self.digits}f}"


def scale(values: Sequence[float], top: float, bottom: float) -> Scale:
    """A scale with round ticks that holds all of some values.

    >>> scale([0.66, 0.77], 0, 100).ticks
    (0.64, 0.66, 0.68, 0.7, 0.72, 0.74, 0.76, 0.78, 0.8)
    """
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) * 0.1 or 1.0
    low, high = low - 0.12 * spread, high + 0.12 * spread
    step = rounded((high - low) / 8)
    first, last = math.floor(low / step), math.ceil(high / step)
    digits = max(-math.floor(math.log10(step)), 0)
    ticks = tuple(round(each * step, 12) for each in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], top, bottom, ticks, digits)


def rounded(rough: float) -> float:
    """The smallest of 1, 2, 5 and 10 times a power of ten that is not below a number."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(each * power for each in (1, 2, 5, 10) if each * power >= rough * (1 - 1e-9))
