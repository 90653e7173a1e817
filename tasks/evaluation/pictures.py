"""What a reviewer sees of a holdout: where the model is right, beside the baseline."""

from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from tasks.evaluation.measuring import Measured
from tasks.metrics import Array, direction
from tasks.pictures import FAINT, INK, png

_MODEL, _RULE = "#2a6f97", "#e07a5f"
_BINS: Final = 10
_MOST_BARS: Final = 8
_DARK: Final = 0.5
_CROWD: Final = 2_000
"""Points beyond which they hide each other."""
_STYLE: Final = {"fontsize": 9, "color": INK}

Axes = Any


def picture(found: Measured, metric: str, title: str) -> bytes:
    """A PNG of three panels: right or wrong, metric beside the baseline, what matters."""
    figure = Figure(figsize=(12, 3.9), dpi=110, layout="constrained", facecolor="white")
    fit, bars, weights = figure.subplots(1, 3, width_ratios=(1.1, 1, 1.15))
    {"binary": _calibration, "multiclass": _confusion, "regression": _scatter}[found.kind](
        fit, found
    )
    _bars(bars, found, metric)
    _importances(weights, found.importances)
    return png(figure, (fit, bars, weights), title)


def _calibration(axes: Axes, found: Measured) -> None:
    most = 0.0
    for name, scores, color in (
        ("baseline", found.ruled, _RULE),
        ("model", found.scores, _MODEL),
    ):
        said, happened, sizes = _deciles(found.labels, scores)
        axes.plot(said, happened, color=color, linewidth=1.6, label=name, zorder=2)
        axes.scatter(said, happened, s=18 + 60 * sizes, color=color, zorder=3)
        most = max(most, float(said.max()), float(happened.max()))
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1, zorder=1)
    axes.set(xlim=(0, 1.06 * most), ylim=(0, 1.06 * most))
    axes.set_title("Calibration by decile", **_STYLE)
    axes.set_xlabel("predicted", **_STYLE)
    axes.set_ylabel("happened", **_STYLE)
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def _deciles(labels: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Mean score and label of each tenth of the rows by score, and its share of the rows."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, _BINS + 1)))
    place = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, max(len(edges) - 2, 0))
    counts = np.bincount(place)
    held = counts > 0
    said = np.bincount(place, weights=scores)[held] / counts[held]
    happened = np.bincount(place, weights=labels)[held] / counts[held]
    return said, happened, counts[held] / len(scores)


def _confusion(axes: Axes, found: Measured) -> None:
    names = [*found.classes, *["unseen"] * (found.scores.shape[1] - len(found.classes))]
    table = np.zeros((len(names), len(names)))
    np.add.at(table, (found.labels.astype(int), found.scores.argmax(axis=1)), 1)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if len(names) <= _BINS:
        for (row, column), share in np.ndenumerate(shares):
            ink = "white" if share > _DARK else INK
            axes.text(column, row, f"{share:.2f}", ha="center", va="center", size=8, color=ink)
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(names)), names)
    axes.set_title("Share of each class by what was predicted", **_STYLE)
    axes.set_xlabel("predicted", **_STYLE)
    axes.set_ylabel("true", **_STYLE)


def _scatter(axes: Axes, found: Measured) -> None:
    low = float(min(found.labels.min(), found.scores.min()))
    high = float(max(found.labels.max(), found.scores.max()))
    axes.plot([low, high], [low, high], color=FAINT, linestyle="--", linewidth=1)
    if len(found.labels) > _CROWD:
        axes.hexbin(found.scores, found.labels, gridsize=35, cmap="Blues", mincnt=1, bins="log")
    else:
        axes.scatter(found.scores, found.labels, s=14, alpha=0.6, color=_MODEL, linewidths=0)
    axes.set_title("Predicted and true", **_STYLE)
    axes.set_xlabel("predicted", **_STYLE)
    axes.set_ylabel("true", **_STYLE)


def _bars(axes: Axes, found: Measured, metric: str) -> None:
    """The metric of model and baseline, and of the groups that are shown."""
    groups = {name: told[metric] for name, told in found.slices.items() if metric in told}
    weakest = sorted(groups.items(), key=lambda item: direction(metric) * item[1])
    shown = dict(weakest[:_MOST_BARS])
    values = {
        "model": found.metrics[metric],
        "baseline": found.baseline[metric],
        **shown,
    }
    colors = [_MODEL, _RULE, *[FAINT] * len(shown)]
    _horizontal(axes, values, colors)
    axes.set_title(metric if not shown else f"{metric}, and its weakest groups", **_STYLE)


def _importances(axes: Axes, importances: dict[str, float]) -> None:
    shown = dict(list(importances.items())[:_BINS])
    _horizontal(axes, shown, [_MODEL] * len(shown))
    axes.set_title("Share of importance", **_STYLE)


def _horizontal(axes: Axes, values: dict[str, float], colors: list[str]) -> None:
    axes.barh(range(len(values)), list(values.values()), color=colors, height=0.68)
    axes.set_yticks(range(len(values)), list(values))
    axes.invert_yaxis()
    axes.margins(x=0.16)
    axes.set_xticks([])
    for place, value in enumerate(values.values()):
        axes.text(max(value, 0), place, f" {value:.3f}", va="center", **{**_STYLE, "fontsize": 8})
