"""The picture of a model's course: its metric over the windows, and what happened beside it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from deployments.pages.frame import Frame, Scale, scale
from deployments.pages.money import Money, money
from deployments.pages.story import Batch, Judged, Outcome, Story
from tasks.references import Action, WatchKind
from tasks.windows import EVERYTHING

_TOP: Final = 16.0
_PLOT: Final = 204.0
_LANE: Final = 30.0
_AXIS: Final = 36.0
_APART: Final = 15.0
"""Between two marks of a lane that would cover each other."""

_LEAST: Final = 4.0
"""Width of the narrowest bar of a delivery; of two that came closer the later one is drawn."""

_ROOM_FOR_WORD: Final = 74.0
_ROOM_FOR_VALUE: Final = 40.0


@dataclass(frozen=True)
class Point:
    """The metric of one window."""

    x: float
    y: float
    text: str
    title: str
    beyond: bool
    estimated: bool
    drop: float = -11.0
    """From the point down to its text: below it where what was expected stands above."""


@dataclass(frozen=True)
class Dash:
    """A short level line: what was expected, or promised, of some windows."""

    x: float
    end: float
    y: float
    title: str


@dataclass(frozen=True)
class Mark:
    """One thing in a lane: a symbol, or a bar with a word where it has a width."""

    x: float
    symbol: str
    kind: str
    title: str
    text: str = ""
    width: float = 0.0
    beside: str = ""
    """A word to the right of the bar, where there is no room in it."""


@dataclass(frozen=True)
class Lane:
    """One row of marks below the metric."""

    name: str
    y: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Course:
    """Everything that the picture shows, at its place."""

    frame: Frame
    height: float
    scale: Scale | None
    points: tuple[Point, ...]
    lines: tuple[str, ...]
    expected: tuple[Dash, ...]
    promised: tuple[Dash, ...]
    changes: tuple[float, ...]
    money: Money | None
    lanes: tuple[Lane, ...]
    axis: float
    plot_end: float

    @property
    def marks(self) -> frozenset[str]:
        """Every kind of mark and of point that is drawn: what a legend has to tell."""
        marks = (mark for lane in self.lanes for mark in lane.marks)
        points = {"beyond" for each in self.points if each.beyond}
        points |= {"estimated" for each in self.points if each.estimated}
        return frozenset(f"{each.symbol} {each.kind}".strip() for each in marks) | points


def course(story: Story, metric: str, frame: Frame, currency: str = "") -> Course:
    """The picture of a story.

    Args:
        story: of one model.
        metric: that its gates compare.
        frame: the columns.
        currency: of what its predictions are worth.
    """
    judged = by_column(story.judged, frame)
    numbers = _numbers(judged.values(), metric)
    drawn = scale(numbers, _TOP, _PLOT) if numbers else None
    points = tuple(_points(judged, metric, frame, drawn)) if drawn else ()
    start = _PLOT + 20 if drawn else _TOP
    worth = money(judged, currency, frame, start - 10)
    start = worth.bottom if worth else start
    lanes = tuple(_lanes(story, judged, frame, start))
    bottom = start + _LANE * len(lanes)
    return Course(
        frame=frame,
        height=bottom + _AXIS + 4,
        scale=drawn,
        points=points,
        lines=tuple(_lines(points, frame)),
        expected=tuple(_expected(judged, metric, frame, drawn)) if drawn else (),
        promised=tuple(_promised(story, metric, frame, drawn)) if drawn else (),
        changes=tuple(
            x for each in story.reigns if frame.first < (x := frame.at(each.since)) <= frame.end
        ),
        money=worth,
        lanes=lanes,
        axis=bottom + 14,
        plot_end=bottom,
    )


def by_column(judged: Sequence[Judged], frame: Frame) -> dict[int, Judged]:
    """What was judged, by the place of its column."""
    places = {column.name: place for place, column in enumerate(frame.columns)}
    starts = {column.start: place for place, column in enumerate(frame.columns)}
    found = {}
    for each in judged:
        place = places.get(each.window, starts.get(each.as_of))
        if place is not None:
            found[place] = each
    return dict(sorted(found.items()))


def value_of(each: Judged, metric: str) -> float | None:
    """The metric of a window: by its labels, or estimated before they come."""
    return each.metrics.get(metric, each.metrics.get(f"estimated_{metric}"))


def told(value: float) -> str:
    """A metric in as many digits as people compare: a share in three, money in none.

    >>> told(0.71234), told(23.456), told(1234567.8)
    ('0.712', '23.5', '1,234,568')
    """
    size = abs(value)
    digits = 3 if size < 10 else 1 if size < 1000 else 0  # noqa: PLR2004 - three that count
    return f"{value:,.{digits}f}"


def _numbers(judged: Iterable[Judged], metric: str) -> list[float]:
    found: list[float] = []
    for each in judged:
        names = (metric, f"estimated_{metric}", f"expected_{metric}", f"holdout_{metric}")
        found += [each.metrics[name] for name in names if name in each.metrics]
    return found


def _points(
    judged: Mapping[int, Judged], metric: str, frame: Frame, drawn: Scale
) -> Iterator[Point]:
    for place, each in judged.items():
        value = value_of(each, metric)
        if value is None:
            continue
        estimated = metric not in each.metrics
        said = "estimated, no labels yet" if estimated else f"{each.rows:,} rows"
        yield Point(
            x=frame.middle(place),
            y=drawn.y(value),
            text=told(value) if frame.step >= _ROOM_FOR_VALUE else "",
            title=f"{each.window}: {metric} {value:.4f} ({said}, version {each.champion})",
            beyond=_falls_short(each),
            estimated=estimated,
            drop=19.0 if _is_above(each, metric, value, drawn) else -11.0,
        )


def _is_above(each: Judged, metric: str, value: float, drawn: Scale) -> bool:
    expected = each.metrics.get(f"expected_{metric}")
    return expected is not None and drawn.y(expected) < drawn.y(value)


def _falls_short(each: Judged) -> bool:
    concerned = {WatchKind.PERFORMANCE, WatchKind.ESTIMATE}
    return any(c.kind in concerned and c.action is not Action.REST for c in each.causes)


def _lines(points: Sequence[Point], frame: Frame) -> Iterator[str]:
    """Paths through points of neighbouring windows; a window without a value is a gap."""
    run: list[Point] = []
    for each in points:
        if run and each.x - run[-1].x > frame.step * 1.5:
            yield _path(run)
            run = []
        run.append(each)
    if len(run) > 1:
        yield _path(run)


def _path(points: Sequence[Point]) -> str:
    return " ".join(f"{each.x:.1f},{each.y:.1f}" for each in points)


def _expected(
    judged: Mapping[int, Judged], metric: str, frame: Frame, drawn: Scale
) -> Iterator[Dash]:
    for place, each in judged.items():
        value = each.metrics.get(f"expected_{metric}")
        if value is not None:
            half = min(frame.step * 0.3, 14)
            x = frame.middle(place)
            title = f"{each.window}: {value:.4f} was expected of these rows"
            yield Dash(x - half, x + half, drawn.y(value), title)


def _promised(story: Story, metric: str, frame: Frame, drawn: Scale) -> Iterator[Dash]:
    for each in story.reigns:
        value = each.metrics.get(metric)
        start, end = max(frame.at(each.since), frame.left), _until(each.until, frame)
        if value is not None and drawn.low <= value <= drawn.high and end - start > 1:
            title = f"Version {each.version} on its holdout: {value:.4f}"
            yield Dash(start, end, drawn.y(value), title)


def _until(moment: datetime | None, frame: Frame) -> float:
    return frame.end if moment is None else frame.at(moment)


def _lanes(story: Story, judged: Mapping[int, Judged], frame: Frame, top: float) -> Iterator[Lane]:
    found = {
        "Data": _batches(story, frame),
        "In charge": _reigns(story, frame),
        "Verdict": _verdicts(judged, frame),
        "Trainings": _apart(_trainings(story, frame)),
        "Reviews": _apart(_reviews(story, frame)),
    }
    there = {name: marks for name, marks in found.items() if marks}
    for place, (name, marks) in enumerate(there.items()):
        yield Lane(name, top + _LANE * (place + 0.5), tuple(marks))


def _batches(story: Story, frame: Frame) -> list[Mark]:
    """Each in the column of its window; deliveries of a whole table from one to the next."""
    ends = {each.window: each for each in story.batches}
    if EVERYTHING in ends:
        return _deliveries([each for each in story.batches if each.window == EVERYTHING], frame)
    return [
        _delivered(each, each.window, frame.edge(place) + 1, frame.step - 2)
        for place, column in enumerate(frame.columns)
        if (each := ends.get(column.name)) is not None
    ]


def _deliveries(batches: Sequence[Batch], frame: Frame) -> list[Mark]:
    """What came, each until the next one did; the newest has no end."""
    starts = [max(frame.at(each.as_of), frame.left) for each in batches]
    return [
        _delivered(each, f"{each.as_of:%Y-%m-%d %H:%M}", start + 1, end - start - 2)
        for each, start, end in zip(batches, starts, [*starts[1:], frame.end], strict=True)
        if end - start > _LEAST
    ]


def _delivered(batch: Batch, when: str, x: float, width: float) -> Mark:
    return Mark(
        x=x,
        symbol="",
        kind=f"batch {batch.ending}",
        title=f"{when}: {batch.ending}. {batch.reason}",
        text=batch.ending if width >= _ROOM_FOR_WORD - 2 and batch.ending != "accept" else "",
        width=width,
    )


def _reigns(story: Story, frame: Frame) -> list[Mark]:
    found = []
    for place, each in enumerate(story.reigns):
        start, end = max(frame.at(each.since), frame.left), _until(each.until, frame)
        if end - start < 1:
            continue
        back, short = " again" if each.back else "", f"v{each.version}"
        text = _fitting((f"version {each.version}{back}", f"{short}{back}", short), end - start)
        found.append(
            Mark(
                x=start,
                symbol="",
                kind=f"reign r{place % 2}",
                title=f"Version {each.version} is in charge{back} from {each.since:%Y-%m-%d}: "
                f"{each.reason}",
                text=text,
                width=end - start,
                beside=short if each.until is None and not text else "",
            )
        )
    return found


def _fitting(texts: Sequence[str], width: float) -> str:
    return next((text for text in texts if len(text) * 7.2 < width - 4), "")


def _verdicts(judged: Mapping[int, Judged], frame: Frame) -> list[Mark]:
    wordy = frame.step >= _ROOM_FOR_WORD
    return [
        Mark(
            x=frame.edge(place) + 1,
            symbol=each.action.value,
            kind=f"verdict {each.action.value}",
            title=f"{each.window}: {each.action.value}. " + " ".join(_sentences(each)),
            text=each.action.value if wordy else "",
            width=frame.step - 2,
        )
        for place, each in judged.items()
    ]


def _sentences(each: Judged) -> list[str]:
    return [*each.why, *(cause.sentence for cause in each.causes)]


def _trainings(story: Story, frame: Frame) -> list[Mark]:
    return [
        Mark(
            x=frame.at(each.as_of),
            symbol="training",
            kind=each.outcome.value,
            title=f"Version {each.version}, trained as of {each.as_of:%Y-%m-%d}"
            f"{f' for {each.cause}' if each.cause else ''}: {each.outcome.value}. {each.why}",
        )
        for each in story.trained
        if each.as_of >= frame.columns[0].start
    ]


def _reviews(story: Story, frame: Frame) -> list[Mark]:
    return [
        Mark(
            x=frame.at(each.as_of),
            symbol="void" if each.outcome is Outcome.VOID else "review",
            kind=each.outcome.value,
            title=f"{each.title} {each.outcome.value}"
            f"{f' by {each.actor}: {each.reason}' if each.actor else '.'}",
        )
        for each in story.reviewed
        if each.as_of >= frame.columns[0].start
    ]


def _apart(marks: Sequence[Mark]) -> list[Mark]:
    """Marks side by side that would cover each other."""
    found: list[Mark] = []
    for each in sorted(marks, key=lambda mark: mark.x):
        x = max(each.x, found[-1].x + _APART) if found else each.x
        found.append(Mark(x, each.symbol, each.kind, each.title, each.text, each.width))
    return found
