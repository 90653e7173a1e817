"""``python -m deployments.bench.scheduling``: four ways to give devices to runs, side by side."""

import argparse
import json
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from deployments.bench.scheduling.policies import POLICIES
from deployments.bench.scheduling.simulation import Figures, Simulation
from deployments.bench.scheduling.trace import trace

JOBS = {8: 1000, 64: 4000, 512: 16000}
"""GPUs of a cluster, and the runs that come to it."""

_COLUMNS = {
    "makespan_h": "ends\nh",
    "wait_mean_min": "wait\nmean\nmin",
    "wait_p95_min": "wait\np95\nmin",
    "stranded_h": "idle\nGPU h",
    "double_booked_h": "twice\nGPU h",
    "grant_p50_ms": "look\np50\nms",
    "grant_p99_ms": "look\np99\nms",
}


def main(arguments: list[str] | None = None) -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="python -m deployments.bench.scheduling")
    parser.add_argument("--gpus", type=int, nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--picture", type=Path, help="draw them into this PNG")
    asked = parser.parse_args(arguments)
    console, found = Console(), dict[int, dict[str, Figures]]()
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(asked.gpus) * len(POLICIES))
        for gpus in asked.gpus:
            jobs, found[gpus] = trace(JOBS[gpus], gpus), {}
            for name, policy in POLICIES.items():
                progress.update(bar, description=f"{gpus} GPUs, {name}")
                found[gpus][name] = Simulation(jobs, gpus, policy).figures()
                progress.advance(bar)
            console.print(_table(gpus, found[gpus]))
    if asked.json:
        document = {
            str(gpus): {name: each.document() for name, each in figures.items()}
            for gpus, figures in found.items()
        }
        asked.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if asked.picture:
        from deployments.bench.scheduling.picture import draw

        asked.picture.write_bytes(draw(found))


def _table(gpus: int, figures: dict[str, Figures]) -> Table:
    table = Table(title=f"{JOBS[gpus]} runs on {gpus} GPUs", box=box.SIMPLE, padding=(0, 1))
    table.add_column("", no_wrap=True)
    for title in _COLUMNS.values():
        table.add_column(title, justify="right", no_wrap=True)
    for name, each in figures.items():
        table.add_row(name, *(_short(each.document()[column]) for column in _COLUMNS))
    return table


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"  # noqa: PLR2004 - three digits


if __name__ == "__main__":
    main()
