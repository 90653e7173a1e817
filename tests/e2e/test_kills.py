"""Flows that are killed with SIGKILL in the middle and run again: nothing twice, nothing lost."""

from pathlib import Path

import pytest

from deployments.upkeep import put_right
from infra.ledger import Kind, Ledger
from infra.scratch import scratch
from infra.settings import settings
from infra.store import current_version, listed, partitions, read_windows, uri
from tasks.governance import Answer, decide, read_evidence
from tasks.references import Cause
from tasks.spec import load_spec
from tests.support.flow_runs import runs_of, steps
from tests.support.killer import begun, finish, kill
from tests.support.small_model import ROWS
from tests.support.standing import champions, closed, made

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MODEL = "kills"
WHEN = closed("2024-03")
LATER, SCORED = closed("2024-04"), "2024-02"


@pytest.mark.parametrize(
    ("month", "at"),
    [
        ("2024-01", "tasks.data.publishing:write_report"),
        ("2024-02", "tasks.data.publishing:commit_staged"),
        ("2024-03", "tasks.data.publishing:append"),
    ],
    ids=["rows staged, no report", "inspected, nothing written", "tables written, no manifest"],
)
def test_an_ingest_that_is_killed_and_retried_or_run_again_writes_one_manifest(
    model: str, month: str, at: str
) -> None:
    """Until the manifest is there nobody sees a row; afterwards everybody sees all, once."""
    asked = {"model": model, "window": month, "as_of": closed(month)}
    run = begun("ingest", **asked)

    kill("ingest", at, "before", again=run)
    half_way = made(model).manifests
    retried = finish("ingest", again=run)
    anew = finish("ingest", **asked)

    inspected = "Completed" if at.endswith("write_report") else "Cached"
    assert month not in half_way
    assert (retried.run, retried.state, anew.state) == (run, "Accepted", "Accepted")
    assert (steps(run)["inspect"], steps(anew.run)["inspect"]) == (inspected, "Cached")
    assert made(model).manifests.count(month) == 1
    assert len([each for each in _ingested(model) if each == month]) == 1


def test_a_training_that_is_killed_again_and_again_makes_one_of_each(model: str) -> None:
    """Each attempt, of a run anew or of the same run, goes on where the one before it died."""
    from tests.support.deliveries import ingested

    for month in ("2024-01", "2024-02", "2024-03"):
        ingested(month, model=model)
    asked = {"model": model, "cause": Cause.DRIFT, "as_of": WHEN}

    kill("train", "sklearn.ensemble:HistGradientBoostingClassifier.fit", "before", **asked)
    fitting = made(model)
    kill("train", "tasks.registry.registration:_registered", "after", **asked)
    registered, run = made(model), begun("train", **asked)
    kill("train", "infra.bentos:_build", "during", again=run)
    building, left = made(model), working_folders()
    kill("train", "tasks.packaging.smoke:judge_answers", "before", again=run)
    testing = made(model)
    kill("train", "flows.train:request_review", "after", again=run)  # nobody was told yet
    end = finish("train", again=run)
    with scratch("mine") as mine:
        swept, kept = list(put_right(WHEN)), working_folders()

    assert end.run == run
    assert (fitting.versions, registered.versions) == ((), (1,))
    assert (building.bentos, testing.bentos) == (0, 1)
    assert end.state == "Asked", end
    assert (made(model).versions, made(model).bentos) == ((1,), 1)
    assert {step for step, state in steps(end.run).items() if state != "Cached"} == {
        "read_history",
        "register",
        "champion",
        "record_verdict",
    }
    assert len(Ledger().entries(model, Kind.GATE)) == 1
    assert len(runs_of("review", model)) == 1
    assert [name.partition("-")[0] for name in left] == ["bento"]
    assert swept == ["Removed what killed runs had left in 1 working folders."]
    assert kept == [mine.name]


def test_a_promotion_that_is_killed_and_run_again_is_one_decision_everywhere(model: str) -> None:
    """The ledger is first; what the kill left behind it is brought in line by the next attempt."""
    asked = {"model": model, "version": 1, "reason": "It is better.", "actor": "ann"}
    asked["as_of"] = WHEN
    too_early = finish("promote", **asked)
    approved(model)

    kill("promote", "tasks.registry.succession:_repair_alias", "before", **asked)
    decided = champions(model)
    kill("promote", "tasks.registry.succession:_repair_serving", "before", **asked)
    pointed = champions(model)
    end = finish("promote", **asked)

    assert too_early.state == "Failed"
    assert "The gates want a person to decide about version 1" in too_early.message
    assert (decided, pointed) == ((1, None, None), (1, 1, None))
    assert end.state == "Promoted", end
    assert champions(model) == (1, 1, 1)
    assert len(Ledger().entries(model, Kind.PROMOTION)) == 1
    assert Ledger().verify() > 0


def test_a_scoring_that_is_killed_and_retried_predicts_once(model: str) -> None:
    """One write of one table, one record of it, however often it is begun."""
    run = begun("score", model=model, window=SCORED, as_of=LATER)

    kill("score", "tasks.packaging.scoring:write_window", "after", again=run)
    unrecorded = listed(uri(model, "scored", SCORED))
    kill("score", "os:fsync", "before", again=run)
    half = list(Path(uri(model, "scored", SCORED)).iterdir())
    said = list(put_right(LATER))
    retried = finish("score", again=run)

    predictions = uri(model, "predictions")
    assert unrecorded == []
    assert len(half) == 1
    assert said == ["Removed half-written files that killed runs had left: 1."]
    assert not half[0].exists()
    assert (retried.run, retried.state) == (run, "Scored")
    assert len(listed(uri(model, "scored", SCORED))) == 1
    assert {window: len(each) for window, each in partitions(predictions).items()} == {SCORED: 1}
    assert current_version(predictions) == 0
    assert len(read_windows(predictions, None, [SCORED])) == ROWS


def test_a_monitoring_that_is_killed_and_retried_is_one_verdict(model: str) -> None:
    """One report and one record of drift, and after the retry they are what they were."""
    run = begun("monitor", model=model, window=SCORED, as_of=LATER)
    reports = settings().home / "reports" / model / "monitor" / SCORED
    earlier = set(reports.glob("*"))

    kill("monitor", "tasks.monitoring.reporting:_link", "before", again=run)
    judged = Ledger().entries(model, Kind.DRIFT)
    kill("monitor", "infra.ledger:Ledger.append", "after", again=run)
    (report,) = set(reports.iterdir()) - earlier
    written = {path.name: path.read_bytes() for path in report.iterdir()}
    retried = finish("monitor", again=run)

    assert judged == ()
    assert (retried.run, steps(run)["watch"]) == (run, "Cached")
    assert set(reports.iterdir()) == earlier | {report}
    assert {path.name: path.read_bytes() for path in report.iterdir()} == written
    assert "index.html" in written
    assert len(Ledger().entries(model, Kind.DRIFT)) == 1
    assert Ledger().verify() > 0


def approved(model: str) -> None:
    """A person's answer to the question that the gates asked."""
    (verdict,) = Ledger().entries(model, Kind.GATE)
    evidence = read_evidence.fn(uri("evidence", model, f"{verdict.evidence}.json"))
    answer = Answer(approve=True, reason="It is better.", reviewer="ann")
    decide.fn(evidence, (answer,), load_spec(model).approval)


def working_folders() -> list[str]:
    """What lies where runs keep what they need for a moment."""
    names = [path.name for path in (settings().home / "tmp").iterdir()]
    return [name for name in names if not name.startswith("worker-")]  # it lives


def _ingested(model: str) -> list[object]:
    return [each.payload["window"] for each in Ledger().entries(model, Kind.INGEST)]
