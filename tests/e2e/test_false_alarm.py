"""The control: in the years of ``employment`` nothing moves, and nothing is done."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.client.schemas.objects import FlowRun

from deployments.apply import deploy
from infra.ledger import Kind, Ledger
from infra.settings import PROJECT
from tasks.governance.drifts import verdict_of
from tests.support.deliveries import ingested
from tests.support.flow_runs import over, run, runs_of, started
from tests.support.stack import Stack, surroundings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MODEL = "employment"
TRAINED = datetime(2018, 1, 2, tzinfo=UTC)  # the labels of 2016 are in, those of 2017 are not
SCORED, JUDGED = datetime(2018, 2, 1, tzinfo=UTC), datetime(2019, 2, 1, tzinfo=UTC)


@pytest.fixture
def three_years(stack: Stack, models: Path) -> Iterator[None]:
    """The repository's second model, deployed, with 2015 to 2017 in."""
    (models / MODEL).symlink_to(PROJECT / "deployments" / MODEL)
    with surroundings({**stack.environment, "PERENNIAL_MODELS": str(models)}):
        deploy(MODEL, paused=True)
        for year in ("2015", "2016", "2017"):
            ingested(year, model=MODEL)
        yield


def state(found: FlowRun) -> str:
    """The name of how a run ended."""
    return found.state_name or ""


def test_years_that_do_not_drift_are_left_in_peace(three_years: None, tmp_path: Path) -> None:
    """Another grain, another delay: promoted by the gates, then watched, and nothing retrained.

    As on its schedule, the monitor judges 2017 by the labels that have come, and then 2018, which
    nobody delivered or predicted: that is told, and starts nothing.
    """
    trained = run("train", MODEL, as_of=TRAINED.isoformat())
    assert state(trained) == "Promoted", trained.state
    over(started("promote", MODEL).id)

    scored = run("score", MODEL, window="2017", as_of=SCORED.isoformat())
    judged = run("monitor", MODEL, as_of=JUDGED.isoformat())
    labelled, silent = map(verdict_of, Ledger().entries(MODEL, Kind.DRIFT))

    assert state(scored) == "Scored", scored.state
    assert state(judged) == "Alert", judged.state
    assert (labelled.window, labelled.action, labelled.as_of) == ("2017", "rest", JUDGED)
    assert "roc_auc" in labelled.metrics
    assert (silent.window, silent.action, silent.rows) == ("2018", "alert", 0)
    assert {"volume", "missing"} <= {each.kind for each in silent.causes}
    assert len(runs_of("train", MODEL)) == 1
    assert runs_of("review", MODEL) == []
