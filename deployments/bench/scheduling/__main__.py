"""``python -m deployments.bench.scheduling``: four ways to give devices to runs, side by side."""

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from deployments.bench.scheduling.policies import POLICIES
from deployments.bench.scheduling.simulation import Figures, Simulation
from deployments.bench.scheduling.trace import trace

JOBS = {8: 1000, 64: 2000, 512: 4000}
"""GPUs of a cluster, and the runs that come to it."""

_COLUMNS = {
    "makespan_h": "makespan, h",
    "wait_mean_min": "mean wait, min",
    "wait_p95_min": "p95 wait, min",
    "stranded": "stranded",
    "double_booked_h": "double-booked, GPU h",
    "grant_p50_ms": "look p50, ms",
    "grant_p99_ms": "look p99, ms",
}


def main(arguments: list[str] | None = None) -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="python -m deployments.bench.scheduling")
    parser.add_argument("--gpus", type=int, nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--json", type=Path, help="write the figures to this file")
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


def _table(gpus: int, figures: dict[str, Figures]) -> Table:
    table = Table(title=f"{JOBS[gpus]} runs on {gpus} GPUs")
    table.add_column("")
    for title in _COLUMNS.values():
        table.add_column(title, justify="right")
    for name, each in figures.items():
        table.add_row(name, *(f"{each.document()[column]:g}" for column in _COLUMNS))
    return table


if __name__ == "__main__":
    main()
