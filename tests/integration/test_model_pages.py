"""The pages of models and the numbers for Prometheus, from a real ledger and a real Prefect."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Crashed, Failed, Running, Scheduled
from typer.testing import CliRunner

from deployments.cli import build
from deployments.metrics.exposition import ModelMetrics
from deployments.metrics.prefect_runs import STATES
from deployments.pages.application import create
from deployments.upkeep import tend
from infra.database import disconnect
from infra.gpu.lateness import MADE_UP_FOR
from infra.ledger import Ledger, Recorded
from infra.serving import Serving, serve
from infra.settings import PROJECT, settings
from tasks.references import Action
from tests.support.chronicle import Chronicle, month


def crowned(version: int) -> Recorded:
    """A version put in charge."""
    [record] = [Chronicle().crowned(version, month(5))]
    return Ledger().append(record.entry().model_copy(update={"key": f"crown {version}"}))


def judged(action: Action = Action.REST) -> Recorded:
    """A window that was judged."""
    return Ledger().append(Chronicle().judged("2013-05", month(5), action).entry())


class Pages:
    """The page server of a home, asked under a name."""

    def __init__(self, name: str = "127.0.0.1") -> None:
        self._app, self._base = create(), f"http://{name}"

    def get(self, path: str) -> httpx.Response:
        """What it answers."""
        return anyio.run(self._get, path)

    async def _get(self, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url=self._base) as client:
            return await client.get(path)


@pytest.fixture
def pages(home: Path) -> Pages:
    """The page server of this home."""
    return Pages()


def test_the_page_is_served_as_things_are_now(home: Path, pages: Pages) -> None:
    """No copy that was made earlier: what the ledger says next is on it at once."""
    before = pages.get("/models/flights")
    crowned(2)
    after = pages.get("/models/flights")

    assert (before.status_code, after.status_code) == (200, 200)
    assert "Nothing is in charge yet" in before.text
    assert "version 2" in after.text
    assert "every schedule is paused" in after.text
    assert after.headers["cache-control"] == "no-store"


def test_all_models_are_on_one_page_and_one_that_is_broken_says_why(
    pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A declaration with a mistake hides no other model, and its own page is a sentence."""
    models = tmp_path / "models"
    shutil.copytree(PROJECT / "deployments" / "flights", models / "flights")
    (models / "broken").mkdir()
    (models / "broken" / "model.yaml").write_text("name: <b>broken</b>\n")
    monkeypatch.setenv("PERENNIAL_MODELS", str(models))
    settings.cache_clear()

    listed, page = pages.get("/models"), pages.get("/models/broken")

    assert 'href="/models/flights"' in listed.text
    assert "It cannot be told" in listed.text
    assert "<b>broken" not in listed.text
    assert (page.status_code, "There is no page to show" in page.text) == (404, True)


def test_a_page_is_read_under_a_name_of_this_machine_only(pages: Pages) -> None:
    """A page elsewhere that points its own name at this machine reads nothing."""
    foreign = Pages("example.org")

    told = [foreign.get(path).status_code for path in ("/models", "/models/flights", "/metrics")]

    assert told == [400, 400, 400]
    assert pages.get("/models/no-such").status_code == 404


def test_a_model_of_another_folder_has_a_page_once_it_is_deployed(
    pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link of a deployment leads somewhere whatever folder the page server was started with."""
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
    settings.cache_clear()

    assert pages.get("/models/flights").status_code == 200
    assert pages.get("/models/employment").status_code == 404


def test_a_training_that_a_verdict_asked_for_runs_on_both_pages(home: Path, pages: Pages) -> None:
    """Before it has begun it was asked for; it is not called done before it is."""
    entry = crowned(1).digest
    answers = {"bento": "flights:1", "uri": "", "digest": "b", "since": month(5), "entry": entry}
    serve(Serving(model="flights", version=1, **answers))
    judged(Action.RETRAIN)
    before = [pages.get(path).text for path in ("/models", "/models/flights")]
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("train/flights").id
        run = client.create_flow_run_from_deployment(deployment)
        client.set_flow_run_state(run.id, Running(), force=True)
    after = [pages.get(path).text for path in ("/models", "/models/flights")]

    assert all("A training was asked for" in told for told in before)
    assert all("A training runs" in told for told in after)
    assert all('http-equiv="refresh"' in told and 'rel="icon"' in told for told in after)


def test_a_scrape_tells_every_source_and_follows_the_ledger(home: Path) -> None:
    """What comes after the first scrape is in the second, and no record is counted twice."""
    metrics = ModelMetrics()
    crowned(1)
    first = sampled(metrics)
    judged()
    crowned(2)
    second = sampled(metrics)

    flights = (("model", "flights"),)
    assert first["perennial_champion_version", flights] == 1
    assert second["perennial_champion_version", flights] == 2
    assert second["perennial_ledger_records", ()] == 3
    up = {key[1][0][1]: value for key, value in second.items() if key[0].endswith("source_up")}
    assert up == {**dict.fromkeys(("declarations", "ledger", "prefect"), 1), "upkeep": 0}


def test_a_scrape_without_a_database_tells_the_rest(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an answer with fewer numbers, and says which source is away."""
    metrics = ModelMetrics()
    crowned(1)
    sampled(metrics)
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1")
    settings.cache_clear()
    disconnect()

    found = sampled(metrics)

    assert found["perennial_source_up", (("source", "ledger"),)] == 0
    assert found["perennial_source_up", (("source", "prefect"),)] == 1
    assert found["perennial_champion_version", (("model", "flights"),)] == 1


def test_runs_that_ended_and_runs_to_come_are_told_by_flow(home: Path) -> None:
    """The last one's failure, and when the next is due."""
    due = datetime.now(UTC) + timedelta(hours=1)
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("score/flights").id
        run = client.create_flow_run_from_deployment(deployment)
        client.set_flow_run_state(run.id, Crashed(), force=True)
        client.create_flow_run_from_deployment(deployment, state=Scheduled(scheduled_time=due))

    found = sampled(ModelMetrics())

    score = (("flow", "score"), ("model", "flights"))
    assert found["perennial_run_failed", score] == 1
    told = found["perennial_run_next_timestamp_seconds", score]
    assert told == pytest.approx(due.timestamp(), abs=1)


def test_a_run_that_nobody_takes_is_on_both_pages(home: Path, pages: Pages) -> None:
    """How late it is, and why: no worker of its pool is online."""
    due = datetime.now(UTC) - timedelta(minutes=3)
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("monitor/flights").id
        late: State[None] = Scheduled(name="Late", scheduled_time=due)
        run = client.create_flow_run_from_deployment(deployment, state=late)
        listed, page = pages.get("/models").text, pages.get("/models/flights").text
        client.delete_flow_run(run.id)
    after = pages.get("/models").text

    for told in (listed, page):
        assert "Nothing runs" in told
        assert "No worker of its pool perennial is online" in told
    assert "A run of monitor is late" in page
    assert "It was due 3 minutes ago and has not begun" in page
    assert f"/runs/flow-run/{run.id}" in page
    assert "Nothing runs" not in after


def test_runs_are_counted_by_how_they_ended_from_the_first_scrape_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a server that was started anew finds is no rise; a late run nobody wanted is one."""
    monkeypatch.setattr("deployments.metrics.prefect_runs._FRESH_S", 0.0)
    metrics = ModelMetrics()
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("train/flights").id

        def end(state: State[None], *tags: str) -> None:
            run = client.create_flow_run_from_deployment(deployment, tags=list(tags))
            client.set_flow_run_state(run.id, state, force=True)

        end(Failed())
        before = sampled(metrics)
        end(Failed())
        end(Cancelled(name="Skipped"), f"{MADE_UP_FOR}monthly")
        sampled(metrics)
    after = sampled(metrics)

    train = (("flow", "train"), ("model", "flights"))
    ended = {
        state: tuple(
            found["perennial_runs_ended_total", (*train, ("state", state))]
            for found in (before, after)
        )
        for state in STATES
    }
    assert ended == {**dict.fromkeys(STATES, (0, 0)), "failed": (0, 1), "skipped": (0, 1)}
    assert after["perennial_runs_made_up_total", train] == 1
    assert after["perennial_run_failed", train] == 1


def sampled(metrics: ModelMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of a scrape, by name and labels."""
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in metrics.collect()
        for each in family.samples
    }


def test_the_page_as_a_file_is_the_page(home: Path, tmp_path: Path) -> None:
    """One that is there is replaced; what asks for a page without a model is told how."""
    to = tmp_path / "morning.html"
    to.write_text("yesterday")

    done = CliRunner().invoke(build(), ["status", "flights", "--html", str(to)])
    wrong = CliRunner().invoke(build(), ["status", "--html"])

    assert done.exit_code == 0, done.output
    assert f"Wrote {to}" in done.stdout
    assert "Will this flight be disrupted?" in to.read_text("utf-8")
    assert wrong.exit_code == 2


def test_the_last_round_of_the_upkeep_is_told(home: Path) -> None:
    """When it came to its end; before it ever did, it is away. A damaged note hides nothing."""
    now = datetime(2026, 11, 23, 6, tzinfo=UTC)
    before = sampled(ModelMetrics())
    list(tend(now))
    after = sampled(ModelMetrics())
    (home / "upkeep").write_text("yesterday")
    damaged = sampled(ModelMetrics())

    name = ("perennial_upkeep_timestamp_seconds", ())
    assert name not in before
    up = ("perennial_source_up", (("source", "upkeep"),))
    assert (before[up], after[up]) == (0, 1)
    assert after[name] == now.timestamp()
    assert damaged["perennial_source_up", (("source", "upkeep"),)] == 0
    assert damaged["perennial_source_up", (("source", "ledger"),)] == 1


def test_a_page_leads_to_the_newest_report_of_another_kind(home: Path, pages: Pages) -> None:
    """A replay or a proof that somebody made is found where the model is looked at."""
    for name in ("older", "newer"):
        page = home / "reports" / "flights" / "replay" / name / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text("<title>A replay</title>")
        os.utime(page, (len(name), 1 if name == "older" else 2))

    told = pages.get("/models/flights").text

    assert "Last replay</a>" in told
    assert "/flights/replay/newer/index.html" in told


def test_scrapes_that_come_at_once_tell_the_same(home: Path) -> None:
    """Each is answered, and no record is counted by two of them."""
    metrics = ModelMetrics()
    for version in range(1, 6):
        crowned(version)

    with ThreadPoolExecutor(6) as asking:
        found = list(asking.map(lambda _: sampled(metrics), range(6)))

    promoted = ("perennial_promotions_total", (("cause", "drift"), ("model", "flights")))
    assert [each[promoted] for each in found] == [5] * 6


def test_without_prefect_the_pages_show_what_the_ledger_knows(home: Path, pages: Pages) -> None:
    """Who is in charge is told all the same, and so is what is not known."""
    crowned(2)

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        page, listed = pages.get("/models/flights"), pages.get("/models")

    for told in (page, listed):
        assert told.status_code == 200
        assert "version 2" in told.text
        assert "What runs, and who is asked, is not known." in told.text
