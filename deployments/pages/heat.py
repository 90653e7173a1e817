"""The pictures below the course: drift of each feature by window, and how many labels came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from deployments.pages.course import by_column
from deployments.pages.frame import Frame, rounded
from deployments.pages.names import shortened
from deployments.pages.story import Judged, Story

_ROW: Final = 22.0
_TOP: Final = 6.0
_AXIS: Final = 34.0
_MOST_ROWS: Final = 24
_ROOM_FOR_NUMBER: Final = 28.0
_STEPS: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Where one colour ends and the next begins, in units of the limit."""

_WITHIN: Final = _STEPS.index(1.0)
"""The last colour of what has not moved."""

_BARS: Final = 96.0
_TICKS: Final = 3


@dataclass(frozen=True)
class Cell:
    """PSI of one feature in one window."""

    x: float
    step: int
    text: str
    title: str

    @property
    def beyond(self) -> bool:
        """Whether the feature moved."""
        return self.step > _WITHIN


@dataclass(frozen=True)
class Row:
    """One feature over the windows."""

    name: str
    text: str
    """The name in the room that there is."""

    y: float
    importance: float
    weight: float
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Heat:
    """The heat map of the features that matter most."""

    frame: Frame
    height: float
    rows: tuple[Row, ...]
    gaps: tuple[float, ...]
    """Columns in which nothing was compared."""
    hidden: int
    axis: float
    cell: float


@dataclass(frozen=True)
class Bar:
    """The predictions of one window, and those of them whose label is known."""

    x: float
    width: float
    y: float
    known: float
    text: str
    title: str


@dataclass(frozen=True)
class Coverage:
    """Predictions and labels by window."""

    frame: Frame
    height: float
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    """Height of a line, and the rows that it stands for."""

    base: float
    axis: float


def heat(story: Story, limit: float, frame: Frame) -> Heat | None:
    """The heat map of a story; None where no feature was ever compared.

    Args:
        story: of one model.
        limit: the PSI above which a feature counts as moved.
        frame: the columns.
    """
    judged = by_column(story.judged, frame)
    names = ordered(story.importances, list(judged.values()))
    if not names:
        return None
    shown = _telling(names, story.importances, list(judged.values()))
    texts = shortened(shown, frame.letters)
    total = sum(max(each, 0.0) for each in story.importances.values()) or 1.0
    most = max((story.importances.get(name, 0.0) for name in shown), default=0.0)
    rows = tuple(
        Row(
            name=name,
            text=texts[name],
            y=_TOP + place * _ROW,
            importance=max(story.importances.get(name, 0.0), 0.0) / total,
            weight=max(story.importances.get(name, 0.0), 0.0) / most if most > 0 else 0.0,
            cells=tuple(_cells(name, judged, limit, frame)),
        )
        for place, name in enumerate(shown)
    )
    bottom = _TOP + _ROW * len(rows)
    return Heat(
        frame=frame,
        height=bottom + _AXIS,
        rows=rows,
        gaps=tuple(
            frame.edge(place) + 1
            for place in range(len(frame.columns))
            if place not in judged or not judged[place].psi
        ),
        hidden=len(names) - len(rows),
        axis=bottom + 14,
        cell=_ROW - 2,
    )


def shown(story: Story, frame: Frame) -> list[str]:
    """The features that the heat map of a frame has room for."""
    judged = list(by_column(story.judged, frame).values())
    return _telling(ordered(story.importances, judged), story.importances, judged)


def ordered(importances: Mapping[str, float], judged: Sequence[Judged]) -> list[str]:
    """Every feature that was compared, the most important of the champion first."""
    names = {name for each in judged for name in each.psi}
    return sorted(names, key=lambda name: (-importances.get(name, 0.0), name))


def coverage(story: Story, frame: Frame) -> Coverage | None:
    """Predictions and labels of a story; None where no window was judged."""
    judged = by_column(story.judged, frame)
    most = max((each.rows for each in judged.values()), default=0)
    if not most:
        return None
    base, step = 22 + _BARS, rounded(most / _TICKS)
    bars = tuple(
        _bar(each, frame.edge(place), frame.step, _BARS * each.rows / most, base)
        for place, each in judged.items()
    )
    return Coverage(
        frame=frame,
        height=base + _AXIS + 2,
        bars=bars,
        ticks=tuple(
            (base - _BARS * rows / most, short(rows))
            for rows in sorted({round(step * place) for place in range(_TICKS + 1)})
            if rows <= most
        ),
        base=base,
        axis=base + 14,
    )


def _telling(
    names: Sequence[str], importances: Mapping[str, float], judged: Sequence[Judged]
) -> list[str]:
    """Those of the features that there is room for: what weighed most in a severity."""
    if len(names) <= _MOST_ROWS:
        return list(names)
    weighs = any(importances.get(name, 0.0) > 0 for name in names)

    def told(name: str) -> float:
        moved = max(each.psi.get(name, 0.0) for each in judged)
        return min(moved, 1.0) * (max(importances.get(name, 0.0), 0.0) if weighs else 1.0)

    most = set(sorted(names, key=told, reverse=True)[:_MOST_ROWS])
    return [name for name in names if name in most]


def _cells(name: str, judged: Mapping[int, Judged], limit: float, frame: Frame) -> list[Cell]:
    found = []
    for place, each in judged.items():
        psi = each.psi.get(name)
        if psi is None:
            continue
        moved = name in each.moved(limit)
        step = _step(psi / limit, moved=moved)
        wide = frame.step >= _ROOM_FOR_NUMBER
        said = ", no more than chance makes of so few rows" if psi > limit and not moved else ""
        found.append(
            Cell(
                x=frame.edge(place) + 1,
                step=step,
                text=number(psi) if wide and moved else "",
                title=f"{name}, {each.window}: PSI {psi:.3f}{said}",
            )
        )
    return found


def _step(share: float, *, moved: bool) -> int:
    """The colour of a share of the limit: of what has not moved it stays below the limit's."""
    step = sum(share > part for part in _STEPS)
    return max(step, _WITHIN + 1) if moved else min(step, _WITHIN)


def number(value: float) -> str:
    """A PSI in as few letters as tell it.

    >>> number(0.314), number(2.23), number(14.2)
    ('.31', '2.2', '14')
    """
    if value < 1:
        return f"{value:.2f}".lstrip("0")
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"  # noqa: PLR2004 - two digits


def _bar(each: Judged, edge: float, step: float, height: float, base: float) -> Bar:
    labelled = each.labelled
    told = "labels are not known" if labelled is None else f"{labelled:.2%} of them labelled"
    width = min(max(step - 6, 2.0), 44.0)
    return Bar(
        x=edge + (step - width) / 2,
        width=width,
        y=base - height,
        known=height * (labelled or 0.0),
        text=short(each.rows) if step >= _ROOM_FOR_NUMBER else "",
        title=f"{each.window}: {each.rows:,} rows, {told}",
    )


def short(count: int) -> str:
    """A count in few letters.

    >>> short(812), short(28135), short(2_500_000)
    ('812', '28k', '2.5M')
    """
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if count >= size:
            return f"{count / size:.{1 if count < 10 * size else 0}f}{letter}"
    return str(count)
