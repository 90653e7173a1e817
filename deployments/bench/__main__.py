"""``python -m deployments.bench``: what Perennial costs, measured beside a plain script."""

import argparse
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from infra.errors import PerennialError

if TYPE_CHECKING:
    from deployments.bench.drifting import Drifts
    from deployments.bench.measuring import Starts, Training
    from deployments.bench.runs import Runs
    from deployments.bench.starting import WarmStarts

MONTHS = ("2013-01", "2013-02", "2013-03", "2013-04")
START_AIM, TRAIN_AIM = 1.1, 1.5
MEDIAN_AIM_S, P99_AIM_S = 0.4, 1.0
DRIFT_AIM = 50
_MEBI = 2**20


class Voice:
    """Lines with the time since the start; the JSON alone goes elsewhere."""

    def __init__(self) -> None:
        self.console = Console()
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        """Print a line."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        self.console.print(f"[dim]{minutes:02d}:{seconds:02d}[/dim]  {text}", highlight=False)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 0 when everything could be measured, whatever the ratios are."""
    parser = argparse.ArgumentParser(prog="python -m deployments.bench", description=__doc__)
    parser.add_argument("--starts", type=int, default=11, help="starts of each flow")
    parser.add_argument("--warm", type=int, default=40, help="starts of our own worker, warm")
    parser.add_argument("--millions", type=int, default=10, help="of rows, of the largest drift")
    parser.add_argument("--rounds", type=int, default=1, help="trainings on each side")
    parser.add_argument("--json", type=Path, help="write the measurements to this file")
    asked = parser.parse_args(arguments)
    say = Voice()
    folder = Path(tempfile.mkdtemp(prefix="perennial-bench-"))
    os.environ["PERENNIAL_HOME"] = str(folder / "home")
    os.environ["PERENNIAL_WARM_ENVIRONMENTS"] = "0"  # a training is compared with a new process
    try:
        from deployments.bench.drifting import measure_drift

        drifts = measure_drift(folder / "drift", (asked.millions,), say)
        starts, warm, training = _measured(folder, asked, say)
    except PerennialError as error:
        say.console.print(f"[red]{error}[/red]")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _show(say.console, starts, warm, training)
    _show_drift(say.console, drifts)
    if asked.json:
        asked.json.write_text(_document(starts, warm, training, drifts), encoding="utf-8")
    return 0


def _measured(
    folder: Path, asked: argparse.Namespace, say: Voice
) -> "tuple[Starts, WarmStarts, Training]":
    from infra.stack import erase, up

    up(owner=os.getpid(), progress=say)
    try:
        from deployments.apply import deploy
        from deployments.bench.measuring import measure_starts
        from deployments.bench.runs import Runs
        from deployments.bench.starting import measure_warm_starts
        from deployments.plan import plan
        from infra.stack.health import server_status
        from tasks.spec import load_spec

        deploy("flights", paused=True)
        worker = next(each.pid for each in server_status() if each.name == "worker") or 0
        with Runs(worker) as runs:
            runs.deploy_empty(plan([load_spec("flights")])[0].environment)
            starts = measure_starts(runs, asked.starts, say)
            warm = measure_warm_starts(folder, asked.warm, say)
            return starts, warm, _trained(runs, worker, folder, asked, say)
    finally:
        erase()


def _trained(
    runs: "Runs", worker: int, folder: Path, asked: argparse.Namespace, say: Voice
) -> "Training":
    from deployments.bench.measuring import (
        Training,
        measure_ours,
        measure_script,
        rounds_as_of,
        tracking_server,
    )
    from deployments.demo.story import close_of
    from infra.stack.supervision import keeper_pid

    for window in MONTHS:
        as_of = close_of(window)
        run = runs.run("ingest/flights", model="flights", window=window, as_of=as_of.isoformat())
        say(f"ingest {window}: {run.state_name}, {run.total_run_time.total_seconds():.1f} s")
    found, first, keeper = Training(), close_of(MONTHS[-1]), keeper_pid() or 0
    port = _free_port()
    with tracking_server(folder / "mlflow", port) as server:
        for turn in range(asked.rounds):
            _forget(folder / "home")
            as_of = rounds_as_of(first, turn)
            found.ours.append(measure_ours(runs, keeper, worker, as_of))
            say(f"training {turn + 1}, Perennial: {found.ours[-1].wall_s:.1f} s")
            runs.settle()
            place, address = folder / f"script-{turn}", f"http://127.0.0.1:{port}"
            found.script.append(measure_script(place, address, server, len(MONTHS)))
            say(f"training {turn + 1}, script: {found.script[-1].wall_s:.1f} s")
    runs.settle()
    found.again = measure_ours(runs, keeper, worker, as_of)
    say(f"the same training again, all of it done: {found.again.wall_s:.1f} s")
    return found


def _forget(home: Path) -> None:
    """Throw away what an earlier round made, so that each begins cold."""
    kept = [home / "prefect" / "storage", home / "bentoml", home / "store" / "features"]
    made = ("models", "evaluations", "profiles", "bentos")
    kept += [home / "store" / "flights" / name for name in made]
    for place in kept:
        shutil.rmtree(place, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _document(starts: "Starts", warm: "WarmStarts", training: "Training", drifts: "Drifts") -> str:
    import json

    ratios = {name: training.ratio(name) for name in ("wall_s", "cpu_s", "all_cpu_s", "peak_bytes")}
    document = {
        "starts": {**starts.model_dump(), "ratio": starts.ratio},
        "warm": {
            **warm.model_dump(),
            "median_s": warm.median_s,
            "p99_s": warm.p99_s,
            "prepared_s": warm.prepared_s,
        },
        "training": {**training.model_dump(), "ratios": ratios},
        "drift": {**drifts.model_dump(), "ratio": drifts.ratio},
    }
    return json.dumps(document, indent=2)


def _show(console: Console, starts: "Starts", warm: "WarmStarts", training: "Training") -> None:
    table = Table(title="Perennial beside what it is compared with", title_justify="left")
    for name in ("what", "Perennial", "beside", "ratio", "aim"):
        table.add_column(name, justify="left" if name == "what" else "right")
    ours, empty = statistics.median(starts.ours), statistics.median(starts.empty)
    table.add_row(
        "start to Running, median; an empty flow",
        f"{ours:.2f} s",
        f"{empty:.2f} s",
        f"{starts.ratio:.2f}",
        f"{START_AIM}",
    )
    table.add_row(
        "start to Running, warm, median; a stock worker",
        *(f"{each:.2f} s" for each in warm.median_s),
        f"{warm.median_s[0] / warm.median_s[1]:.2f}",
        f"{MEDIAN_AIM_S} s",
    )
    table.add_row("the same, 99th percentile", f"{warm.p99_s:.2f} s", "", "", f"{P99_AIM_S} s")
    table.add_row(
        "the same without a command, median",
        *(f"{each:.2f} s" for each in warm.prepared_s),
        f"{warm.prepared_s[0] / warm.prepared_s[1]:.2f}",
        "",
    )
    rows = (
        ("training, wall; plain script", "wall_s", 1, "s"),
        ("training, CPU of the run", "cpu_s", 1, "s"),
        ("training, CPU with the servers", "all_cpu_s", 1, "s"),
        ("training, peak memory of the run", "peak_bytes", _MEBI, "MiB"),
    )
    for title, field, unit, name in rows:
        sides = [
            statistics.mean(getattr(each, field) for each in side) / unit
            for side in (training.ours, training.script)
        ]
        aim = "" if field == "all_cpu_s" else f"{TRAIN_AIM}"
        shown = [f"{value:.1f} {name}" for value in sides]
        table.add_row(title, *shown, f"{training.ratio(field):.2f}", aim)
    if training.again:
        table.add_row("the same training again", f"{training.again.wall_s:.1f} s", "", "", "")
    console.print(table)
    console.print(_stages(training))


def _show_drift(console: Console, drifts: "Drifts") -> None:
    table = Table(title="Drift of twenty columns, from Parquet", title_justify="left")
    for name in ("what", "CPU", "wall", "peak MiB"):
        table.add_column(name, justify="left" if name == "what" else "right")
    sides = {
        "Evidently's DataDriftPreset, 1 M rows": drifts.evidently,
        "our sketches, 1 M rows, median": drifts.median,
        **{f"our sketches, {each.rows} M rows": each for each in drifts.larger},
        "drawing the profile, 1 M rows": drifts.profile,
    }
    for name, each in sides.items():
        peak = f"{each.peak_bytes / _MEBI:.0f}"
        table.add_row(name, f"{each.cpu_s:.2f} s", f"{each.wall_s:.2f} s", peak)
    console.print(table)
    console.print(
        f"Evidently takes {drifts.ratio:.0f} times our CPU (aim {DRIFT_AIM}). Beside SciPy: "
        f"KS within {drifts.ks_error:.1e}, Wasserstein {drifts.wasserstein_error:.1e} deviations."
    )


def _stages(training: "Training") -> Table:
    """Where the time went: tasks of ours beside the stages of the script, in the last round."""
    table = Table(title="Seconds of each stage, last round", title_justify="left")
    for name in ("stage", "Perennial", "script"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    ours, script = training.ours[-1], training.script[-1]
    pairs = {"build_features": "features"}
    table.add_row("request to Running", f"{ours.running_after_s:.2f}", "")
    for name, seconds in ours.stages.items():
        beside = script.stages.get(pairs.get(name, name))
        table.add_row(name, f"{seconds:.2f}", "" if beside is None else f"{beside:.2f}")
    rest = ours.wall_s - ours.running_after_s - sum(ours.stages.values())
    other = script.wall_s - sum(script.stages.values())
    table.add_row("everything else", f"{rest:.2f}", f"{other:.2f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
