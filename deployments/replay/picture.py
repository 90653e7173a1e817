"""The picture of a replay: the metric, what was gained, and what each policy did when."""

import math
from collections.abc import Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from deployments.replay.results import Course, Replay
from tasks.pictures import FAINT, INK, png
from tasks.references import Action

_COLOURS: Final = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8C6D31", "#5B5B5B",
)  # fmt: skip
"""Told apart by all eyes, after Okabe and Ito; a ninth policy begins again."""

_STYLE: Final = {"fontsize": 9, "color": INK, "loc": "left"}
_HALF: Final = 0.5
_ABOVE: Final = 0.42
"""Where the alarms of a policy lie, above what it did."""

_LETTER_PT: Final = 5.1
"""Width of a digit of an axis, whose letters are 8 points high. Source: DejaVu Sans, 0.636 em."""

_GAINS: Final = 3
"""What so many policies gained fits on a line."""

Axes = Any


def draw(replay: Replay) -> bytes:
    """A PNG of three panels over the same windows: metric, gain, and what was done.

    Lines are drawn from broad to narrow, those above in ever shorter dashes: where courses are
    alike, each shows through the gaps of the next.
    """
    names = [each.window for each in replay.arrivals]
    courses = replay.courses
    rows = len(courses)
    figure = Figure(
        figsize=(12, 6.6 + 0.44 * rows), dpi=110, layout="constrained", facecolor="white"
    )
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(3.2, 2.2, 0.7 + 0.6 * rows))
    top, middle, bottom = panels
    _metric(top, replay, names)
    _gains(middle, replay, names)
    _deeds(bottom, courses, names)
    title = f"{replay.model}: {len(names)} windows under {rows} policies"
    _windows(bottom, names)
    return png(figure, panels, title)


def _metric(axes: Axes, replay: Replay, names: list[str]) -> None:
    better = "more" if replay.more_is_better else "less"
    for place, course in enumerate(replay.courses):
        points = _points(course, names, "metric")
        axes.plot(*points, marker="o", markersize=4, **_line(place, len(replay.courses)))
        promoted = [
            (names.index(each.window), each.metric)
            for each in course.windows
            if each.training and each.training.promoted and each.metric is not None
        ]
        if promoted:
            axes.scatter(
                *zip(*promoted, strict=True), s=58 + 70 * (len(replay.courses) - 1 - place),
                zorder=4, facecolors="white", edgecolors=_colour(place), linewidths=1.6,
            )  # fmt: skip
    _name_ends(axes, replay.courses, names)
    axes.set_title(
        f"{replay.metric} of the champion of the time ({better} is better); a ring: what was "
        "trained when this window's labels were in took charge then",
        **_STYLE,
    )
    axes.grid(axis="y", color=FAINT, linewidth=0.6)


def _name_ends(axes: Axes, courses: Sequence[Course], names: list[str]) -> None:
    """The policies' names beside the ends of their lines, pushed apart where they meet."""
    ends = []
    for place, course in enumerate(courses):
        across, up = _points(course, names, "metric")
        if up:
            ends.append((up[-1], across[-1], place, course.policy))
    low, high = axes.get_ylim()
    heights = _apart([each[0] for each in sorted(ends)], (high - low) * 0.07, high)
    for height, (_, _, place, name) in zip(heights, sorted(ends), strict=True):
        axes.text(
            len(names) - 0.72, height, _plain(name), va="center", fontsize=9,
            color=_colour(place), fontweight="bold",
        )  # fmt: skip


def _apart(values: Sequence[float], least: float, top: float) -> list[float]:
    """Heights as near to rising values as lets each be so far from the next, none above the top.

    >>> _apart([1.0, 1.0, 9.5], 1.0, 10.0)
    [1.0, 2.0, 9.5]
    >>> _apart([9.0, 9.5, 10.0], 1.0, 10.0)
    [8.0, 9.0, 10.0]
    """
    heights: list[float] = []
    for value in values:
        heights.append(max(value, heights[-1] + least) if heights else value)
    for place in reversed(range(len(heights))):
        ceiling = heights[place + 1] - least if place + 1 < len(heights) else top
        heights[place] = min(heights[place], ceiling)
    return heights


def _gains(axes: Axes, replay: Replay, names: list[str]) -> None:
    against = next((each for each in replay.courses if each.gain is None), replay.courses[0])
    held = dict(zip(*_points(against, names, "metric"), strict=True))
    sign = 1 if replay.more_is_better else -1
    for place, course in enumerate(replay.courses):
        if course is against:
            continue
        across, up = _points(course, names, "metric")
        both = [(x, sign * (y - held[x])) for x, y in zip(across, up, strict=True) if x in held]
        if both:
            axes.plot(
                *zip(*both, strict=True), marker="o", markersize=3,
                **_line(place, len(replay.courses)),
            )  # fmt: skip
    axes.axhline(0, color=_colour(replay.courses.index(against)), linewidth=1.6)
    told = [_gain(each) for each in replay.courses if each.gain]
    lines = ["   ".join(told[at : at + _GAINS]) for at in range(0, len(told), _GAINS)]
    axes.set_title(
        "\n".join([f"Gained on {_plain(against.policy)}, above the line is better", *lines]),
        **_STYLE,
    )
    axes.grid(axis="y", color=FAINT, linewidth=0.6)


def _gain(course: Course) -> str:
    gain = course.gain
    assert gain is not None  # noqa: S101 - the caller asks for none without
    return f"{_plain(course.policy)} {gain.gain:+.4f} [{gain.lower:+.4f}, {gain.upper:+.4f}]"


def _deeds(axes: Axes, courses: Sequence[Course], names: list[str]) -> None:
    for place, course in enumerate(courses):
        row, colour = len(courses) - 1 - place, _colour(place)
        axes.axhline(row, color=FAINT, linewidth=0.8, zorder=0)
        for each in course.windows:
            across = names.index(each.window)
            if each.alarm.rank >= Action.ALERT.rank:
                axes.scatter(
                    across, row + _ABOVE, s=30, marker="^", facecolors="none", edgecolors=colour
                )
            if each.training:
                filled = colour if each.training.promoted else "white"
                axes.scatter(
                    across, row, s=110, facecolors=filled, edgecolors=colour, linewidths=1.6
                )
                if each.training.verdict == "ask" or each.action is Action.ASK:
                    ink = "white" if each.training.promoted else colour
                    axes.text(across, row, "?", ha="center", va="center", color=ink, **_SMALL)
            elif each.action is Action.ASK:
                axes.text(across, row, "?", ha="center", va="center", color=colour, **_BOLD)
            elif each.action is Action.ROLLBACK:
                axes.scatter(across, row, s=70, marker="<", color=colour)
        axes.text(
            len(names) - 0.72, row, f"{course.cpu_s:,.0f} CPU s", va="center", fontsize=9,
            color=colour,
        )  # fmt: skip
    axes.set_yticks(range(len(courses)), [_told(each) for each in reversed(courses)], fontsize=9)
    axes.set_ylim(-_HALF - 0.1, len(courses) - _HALF + 0.25)
    axes.set_title(
        "● trained and took charge   ○ trained and turned down   △ (above) alarm   "
        "? a person was asked   ◁ rolled back",
        **_STYLE,
    )


_BOLD: Final = {"fontsize": 11, "fontweight": "bold"}
_SMALL: Final = {"fontsize": 8, "fontweight": "bold"}


def _told(course: Course) -> str:
    trainings = f"{course.trainings} training{'s' * (course.trainings != 1)}"
    return f"{_plain(course.policy)}\n{trainings}, {course.promotions} took charge"


def _windows(axes: Axes, names: list[str]) -> None:
    """The names below the last panel: each k-th where all of them do not fit."""
    axes.set_xlim(-0.6, len(names) + 0.35)
    axes.figure.draw_without_rendering()  # what stands beside the panel says how wide it is
    room_pt = axes.get_window_extent().width * 72 / axes.figure.dpi
    widest_pt = (max(map(len, names)) + 1) * _LETTER_PT
    every = max(1, math.ceil(widest_pt * (len(names) + 0.95) / room_pt))
    axes.set_xticks(range(0, len(names), every), names[::every], fontsize=8)


def _points(course: Course, names: list[str], field: str) -> tuple[list[int], list[float]]:
    known = [each for each in course.windows if getattr(each, field) is not None]
    return [names.index(each.window) for each in known], [getattr(each, field) for each in known]


def _line(place: int, count: int) -> dict[str, Any]:
    """The look of a course: the first whole and broad, each one above it narrower and shorter."""
    width = 1.7 + 0.7 * (count - 1 - place)
    dash = max(2.0, 7.0 - 1.6 * place)
    style = "-" if place == 0 else (0, (dash, dash * 0.7))
    return {"color": _colour(place), "linewidth": width, "linestyle": style, "alpha": 0.95}


def _colour(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]


def _plain(name: str) -> str:
    """A name without what matplotlib reads as mathematics."""
    return name.replace("$", r"\$")[:24]
