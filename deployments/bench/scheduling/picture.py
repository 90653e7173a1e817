"""The comparison of schedulers as one picture: four figures, each cluster, each policy."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deployments.bench.scheduling.simulation import Figures
from tasks.pictures import INK, png

_PANELS: Final = {
    "makespan_h": "makespan",
    "wait_mean_min": "mean wait",
    "wait_p95_min": "95 % waited less than",
    "stranded_h": "GPU hours idle while runs waited",
}
_COLOURS: Final = ("#b8c1ca", "#e0a458", "#8fb3c9", "#1f6f5c")
_WIDTH: Final = 0.8


def draw(found: dict[int, dict[str, Figures]]) -> bytes:
    """A PNG of what each policy made of each cluster, as ratios to fixed devices.

    Args:
        found: figures by GPUs of the cluster and by policy, the first policy that of the ratios.
    """
    figure = Figure(figsize=(9.2, 5.6), dpi=120, layout="constrained")
    panels = figure.subplots(2, 2)
    for axes, (name, title) in zip(panels.flat, _PANELS.items(), strict=True):
        _bars(axes, found, name)
        axes.set_title(title, fontsize=9, color=INK, loc="left")
    names = list(next(iter(found.values())))
    bars, _ = panels.flat[0].get_legend_handles_labels()
    figure.legend(
        bars, names, loc="outside lower center", ncols=len(names), frameon=False, fontsize=8
    )
    twice = ", ".join(f"{each['counters'].double_booked_h:.0f}" for each in found.values())
    note = f"GPU hours held by two at once: counters {twice}; the others none"
    panels.flat[-1].set_xlabel(note, fontsize=7, color=INK)
    return png(figure, panels.flat, f"The same runs, by who gives out devices ({names[0]} = 1)")


def _bars(axes: Axes, found: dict[int, dict[str, Figures]], name: str) -> None:
    policies = list(next(iter(found.values())))
    at, step = np.arange(len(found)), _WIDTH / len(policies)
    for place, policy in enumerate(policies):
        base = [each[policies[0]].document()[name] for each in found.values()]
        ratios = [
            each[policy].document()[name] / first if first else 0.0
            for each, first in zip(found.values(), base, strict=True)
        ]
        bars = axes.bar(at + place * step, ratios, step * 0.9, color=_COLOURS[place], label=policy)
        axes.bar_label(bars, fmt="%.2f", fontsize=6, color=INK, padding=1)
    axes.set_xticks(at + _WIDTH / 2 - step / 2, [f"{gpus} GPUs" for gpus in found])
    axes.set_yticks([])
