"""What the browser's tests look at: a small model's runs, made in one process as flows."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from prefect import flow
from prefect.client.orchestration import get_client

from tasks.monitoring import report, watch
from tasks.references import Action, Conclusion, Contest, DriftVerdict

MODEL: Final = "shop"
HOSTILE_MONTHS: Final = (2, 3)
HOSTILE: Final = "http://203.0.113.9/x a@b.c <img src=x onerror=alert(1)>[go](javascript:alert(2))"
"""A cell that would run, lead away or ask a server far away, where it is not shown as text."""


def orders(month: int, rows: int = 300) -> pd.DataFrame:
    """The orders of a month of 2024, the same each time."""
    draws = np.random.default_rng(month)
    return pd.DataFrame(
        {
            "order": [f"{month}/{number}" for number in range(rows)],
            "day": pd.date_range(f"2024-{month:02}-01", periods=28).repeat(11)[:rows],
            "weight": draws.gamma(2.0, 2.0, rows).round(2),
            "city": draws.choice(["Oslo", "Rome"], rows),
            "returned": draws.choice(["no", "yes"], rows),
        }
    )


def hostile_orders(month: int) -> pd.DataFrame:
    """Orders in grams instead of kilograms, three of them from a city that means harm."""
    frame = orders(month)
    frame["weight"] *= 1000
    frame.loc[frame.index[:3], "city"] = HOSTILE
    return frame


@flow(name="watching", flow_run_name="rides")
def watching() -> DriftVerdict:
    """Watch a window whose features have moved, as `monitor` does."""
    from tasks.evaluation.spec import EvaluationSpec
    from tests.support.rides import METRICS, SPEC, World

    world = World(shift=1.0)
    spec = EvaluationSpec(metric=METRICS[world.kind])
    rivals = Contest(champion=world.champion)
    verdict = watch(world.predictions(), rivals, world.table, SPEC, world.data, spec)
    report(verdict, Conclusion(action=verdict.action))
    return verdict


def ask_about(verdict: DriftVerdict) -> None:
    """A review of the verdict, as `monitor` starts it, for the model that is deployed."""
    from tasks.governance import evidence_for_drift, record_drift, request_review

    seen, conclusion = verdict.model_copy(update={"model": MODEL}), Conclusion(action=Action.ASK)
    evidence = evidence_for_drift.fn(seen, conclusion)
    record_drift.fn(evidence, seen, conclusion)
    request_review(evidence)


def main(folder: Path) -> None:
    """Make the model, ingest a good month and two hostile ones, watch a window; tell the runs."""
    from deployments.apply import deploy
    from deployments.cli.new import found
    from flows.ingest import ingest

    orders(1).to_csv(folder / "orders.csv", index=False)
    found(MODEL, folder / "orders.csv", "returned", time="day", key=("order",))
    deploy(MODEL)

    ingest(MODEL, "2024-01", as_of=datetime(2024, 2, 1, 6, tzinfo=UTC))
    for month in HOSTILE_MONTHS:
        delivery = folder / f"{month}.csv"
        hostile_orders(month).to_csv(delivery, index=False)
        as_of = datetime(2024, month + 1, 1, 6, tzinfo=UTC)
        ingest(MODEL, f"2024-{month:02}", {"rows": str(delivery)}, as_of=as_of)
    verdict = watching()
    ask_about(verdict)

    made = {"report": verdict.report_url, "runs": _runs()}
    (folder / "made.json").write_text(json.dumps(made))


def _runs() -> dict[str, str]:
    """Flow and run by name, to the id of the run."""
    with get_client(sync_client=True) as client:
        flows = {flow.id: flow.name for flow in client.read_flows()}
        return {f"{flows[run.flow_id]}/{run.name}": str(run.id) for run in client.read_flow_runs()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
