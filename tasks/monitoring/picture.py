"""The picture of a verdict: which features moved, and how the champion did over the windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.figure import Figure

from tasks.monitoring.drift import Drift
from tasks.monitoring.performance import Performance
from tasks.pictures import INK, png
from tasks.references import SliceResult

_MOST_BARS: Final = 15
_MOST_SLICES: Final = 10
_LONGEST_BAR: Final = 2.0
_WIDTH_OF_LABEL: Final = 0.2
"""Of a number beside a bar, in units of the axis."""

_MOVED, _STILL, _LINE = "#e07a5f", "#a9b8c6", "#2a6f97"
_STYLE: Final = {"fontsize": 9, "color": INK}

_HALO: Final = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
"""Behind a number that a line would strike through."""

Axes = Any


@dataclass(frozen=True)
class Course:
    """A metric over the windows so far.

    Attributes:
        metric: its name.
        values: by window, oldest first; the watched one is the last, where it is known.
        now: the watched window, or None where it was not judged.
    """

    metric: str
    values: Mapping[str, float]
    now: Performance | None


def draw(
    title: str,
    drift: Drift | None,
    threshold: float,
    course: Course,
    slices: Sequence[SliceResult] = (),
) -> bytes:
    """A PNG of two panels: PSI by feature with its threshold, and the metric over the windows.

    Where slices are looked at, a third shows the worst of them.
    """
    count = 3 if slices else 2
    figure = Figure(figsize=(5.5 * count, 4.2), dpi=110, layout="constrained", facecolor="white")
    axes = figure.subplots(1, count, width_ratios=(1, 1.15, 0.9)[:count])
    _bars(axes[0], drift, threshold)
    _line(axes[1], course)
    if slices:
        _worst(axes[2], slices)
    return png(figure, tuple(axes), title)


def _bars(axes: Axes, drift: Drift | None, threshold: float) -> None:
    if drift is None:
        _say(axes, "Too few rows, or no profile, to compare features")
        return
    most = sorted(drift.features.items(), key=lambda item: -item[1].psi)[:_MOST_BARS][::-1]
    names = [_plain(name) for name, _ in most]
    values = [each.psi for _, each in most]
    moved = drift.moved(threshold)
    colors = [_MOVED if name in moved else _STILL for name, _ in most]
    axes.barh(names, [min(value, _LONGEST_BAR) for value in values], color=colors)
    for place, (value, (_, each)) in enumerate(zip(values, most, strict=True)):
        text = f"{value:.2f}" + (f", {each.new:.0%} new" if each.new >= 0.01 else "")  # noqa: PLR2004 - one in a hundred
        beside = min(value, _LONGEST_BAR)
        if value <= threshold < value + _WIDTH_OF_LABEL:
            beside = threshold  # beyond the line, which would strike the number through
        axes.text(beside + 0.03, place, text, va="center", fontsize=7, color=INK)
    axes.axvline(threshold, color=INK, linewidth=0.8, linestyle="--", zorder=0.5)
    axes.set_xlim(0, _LONGEST_BAR * 1.35)
    axes.set_xlabel(f"PSI against the training data (cut at {_LONGEST_BAR:g})", **_STYLE)
    axes.set_title(
        f"{drift.novelty:.0%} of rows beyond the training data, severity {drift.severity:.2f}",
        **_STYLE,
    )


def _line(axes: Axes, course: Course) -> None:
    if not course.values:
        _say(axes, f"No labels yet: {course.metric} is not known")
        return
    windows, values = list(course.values), list(course.values.values())
    axes.plot(windows, values, color=_LINE, marker="o", linewidth=1.6, label="as it came")
    for window, value in course.values.items():
        axes.annotate(
            f"{value:.3f}", (window, value), xytext=(7, 6), textcoords="offset points",
            ha="left", fontsize=7, color=INK, bbox=_HALO,
        )  # fmt: skip
    if course.now:
        axes.errorbar(
            [windows[-1]], [course.now.expected], yerr=[2 * course.now.noise], color=_MOVED,
            marker="_", markersize=14, capsize=3, label="expected of these rows",
        )  # fmt: skip
    axes.margins(x=0.12, y=0.25)
    axes.tick_params(axis="x", rotation=45 if len(windows) > 6 else 0)  # noqa: PLR2004 - as many names fit side by side
    axes.set_title(f"{course.metric} of the champion of the time", **_STYLE)
    axes.legend(frameon=False, fontsize=8, loc="best")


def _worst(axes: Axes, slices: Sequence[SliceResult]) -> None:
    worst = slices[:_MOST_SLICES][::-1]
    names = [_plain(f"{each.column}={each.value}") for each in worst]
    values = [each.further for each in worst]
    axes.barh(names, values, color=[_MOVED if each.beyond else _STILL for each in worst])
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("how much further short of what was expected than at promotion", **_STYLE)
    failing = sum(each.beyond for each in slices)
    axes.set_title(f"{failing} of {len(slices)} slices fall short", **_STYLE)


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, **_STYLE)
    axes.set(xticks=[], yticks=[])


def _plain(name: str) -> str:
    """A column's name without what matplotlib reads as mathematics."""
    return name.replace("$", r"\$")[:32]
