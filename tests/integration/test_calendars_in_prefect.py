"""Business calendars on a real Prefect server: what it starts is what was settled, once each."""

import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterCreatedBy,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.states import Failed, Scheduled
from ruamel.yaml import YAML
from typer.testing import CliRunner

from deployments.apply import Change, deploy
from deployments.cli import build
from deployments.renewal import make_up
from deployments.standing import status
from deployments.upkeep import catch_up
from infra.errors import ConfigError
from infra.gpu.lateness import MADE_UP_FOR, Lateness
from infra.gpu.succession import Succession
from infra.settings import PROJECT
from tasks.schedules import called
from tasks.spec import load_spec
from tests.support.calendars import event, icalendar
from tests.support.homes import environment, home_on

BERLIN = ZoneInfo("Europe/Berlin")
HOLIDAYS = {"holidays": [{"country": "DE", "subdivision": "BE"}]}
FIRST_DAY = {
    "flow": "train",
    "business_day": {"nth": 1, "at": "06:00"},
    "timezone": "Europe/Berlin",
    "active": True,
}


@pytest.fixture(scope="module")
def database(api: str, postgres: str) -> str:
    """A PostgreSQL server of these tests; Prefect's is the one that the session shares."""
    assert api
    return postgres


@pytest.fixture
def client(database: str, tmp_path: Path) -> Iterator[SyncPrefectClient]:
    """A client of the server, in a home whose one model is a copy of employment."""
    shutil.copytree(
        PROJECT / "deployments" / "employment",
        tmp_path / "models" / "employment",
        ignore=shutil.ignore_patterns("data"),
    )
    (tmp_path / "home").mkdir()
    with (
        environment({"PERENNIAL_MODELS": str(tmp_path / "models")}),
        home_on(database, tmp_path / "home"),
        get_client(sync_client=True) as client,
    ):
        yield client
        for each in client.read_deployments():
            client.delete_deployment(each.id)


def declare(tmp_path: Path, **sections: object) -> Path:
    """Change the model's declaration; its folder."""
    folder = tmp_path / "models" / "employment"
    yaml = YAML()
    document = yaml.load(folder / "model.yaml")
    document.update(sections)
    yaml.dump(document, folder / "model.yaml")
    return folder


def held(client: SyncPrefectClient, name: str = "train/employment") -> DeploymentResponse:
    """A deployment as the server has it."""
    return client.read_deployment_by_name(name)


def runs_of(client: SyncPrefectClient, deployment: UUID) -> list[FlowRun]:
    """Its runs, as the server's scheduler makes them when it is asked."""
    client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment}, json={})
    return [each for each in client.read_flow_runs() if each.deployment_id == deployment]


def starts(runs: list[FlowRun]) -> list[datetime]:
    """When they are due, in order."""
    due = [each.expected_start_time for each in runs]
    return sorted(datetime.fromtimestamp(each.timestamp(), UTC) for each in due if each)


def test_the_server_starts_what_was_settled_with_its_cause(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    """First business days at six in Berlin; the trainings know that a schedule started them."""
    declare(tmp_path, schedules=[FIRST_DAY], calendar=HOLIDAYS)

    deploy()

    runs = runs_of(client, held(client).id)
    foretold = [each.at for each in status("employment").next_30_days]
    local = [each.astimezone(BERLIN) for each in starts(runs)]
    assert len(local) >= 3
    assert {(each.hour, each.minute) for each in local} == {(6, 0)}
    assert all(each.day <= 4 and each.weekday() < 5 for each in local)
    assert starts(runs)[: len(foretold)] == foretold
    assert {each.parameters["cause"] for each in runs} == {"schedule"}
    assert {each.created_by.display_value for each in runs if each.created_by} == {"train-1"}


def test_a_calendar_that_changed_is_followed_in_place_and_nothing_starts_twice(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    """The schedule keeps its id, one that is due keeps its run, and what moved has one run."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    days = [now + timedelta(days=each) for each in (2, 3, 4)]
    by_events = {"flow": "train", "events": {"source": "team.ics"}, "active": True}
    folder = declare(tmp_path, schedules=[by_events])
    (folder / "team.ics").write_bytes(icalendar(*(event("train", each) for each in days)))
    deploy()
    before = held(client)
    first = starts(runs_of(client, before.id))
    moved = [days[0], days[1] + timedelta(hours=5), days[2]]
    (folder / "team.ics").write_bytes(icalendar(*(event("train", each) for each in moved)))

    said = CliRunner().invoke(build(), ["upkeep"]).stdout
    again = list(catch_up(datetime.now(UTC)))

    after = held(client)
    assert first == days
    assert said == "The times of train-1 of train/employment follow their calendar again.\n"
    assert again == []
    assert after.schedules[0].id == before.schedules[0].id
    assert starts([each for each in client.read_flow_runs() if each.deployment_id == after.id]) == (
        moved
    )
    assert {each.change for each in deploy()} == {Change.UNCHANGED}


def test_a_calendar_that_is_away_keeps_what_prefect_holds(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    """`up` says so and goes on; `deploy` deploys nothing."""
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    by_events = {"flow": "train", "events": {"source": "team.ics"}, "active": True}
    folder = declare(tmp_path, schedules=[by_events])
    (folder / "team.ics").write_bytes(icalendar(event("train", due)))
    deploy()
    (folder / "team.ics").unlink()

    [said] = catch_up(datetime.now(UTC))

    assert said.startswith("The schedules of employment stay as they are. The calendar is not")
    with pytest.raises(ConfigError, match="not readable"):
        deploy()
    assert starts(runs_of(client, held(client).id)) == [due]
    assert [each.at for each in status("employment").next_30_days] == [due]


def test_a_freeze_over_everything_deploys_nothing(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    """The contradiction is told, and what ran before goes on."""
    declare(tmp_path, schedules=[FIRST_DAY])
    deploy()
    before = held(client)
    for_ever = {"why": "for ever", "first": "2026-01-01", "last": "2099-12-31"}
    declare(tmp_path, calendar={"freezes": [for_ever]})

    with pytest.raises(ConfigError, match=r"never runs.*for ever"):
        deploy()

    assert held(client) == before


def test_what_an_outage_swallowed_is_made_up_for_once(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    """Prefect makes daily runs three days ahead; on the tenth day the others are missing."""
    daily = {"flow": "train", "cron": "0 6 * * *", "active": True}
    latest = {**daily, "name": "newest", "cron": "0 7 * * *", "late": "latest"}
    declare(tmp_path, schedules=[daily, latest])
    deploy()
    there = held(client)
    ahead = starts(runs_of(client, there.id))
    declared = called(load_spec("employment").schedules)
    later = datetime.now(UTC) + timedelta(days=10)

    made = make_up(client, there, declared, later)
    again = make_up(client, there, declared, later)

    runs = [each for each in client.read_flow_runs() if each.deployment_id == there.id]
    made_up = [each for each in runs if any(tag.startswith(MADE_UP_FOR) for tag in each.tags)]
    of_newest = [each for each in made_up if f"{MADE_UP_FOR}newest" in each.tags]
    assert len(ahead) == 6
    assert (made, again) == (8, 0)
    assert len(runs) == len(ahead) + 8
    assert len(starts(runs)) == len(set(starts(runs)))
    assert starts(of_newest)[0] > later - timedelta(days=1)
    assert {each.parameters["cause"] for each in made_up} == {"schedule"}


def test_a_run_that_was_there_is_not_made_up_for(client: SyncPrefectClient, tmp_path: Path) -> None:
    """Neither where 300 others of its deployment came after it, nor where somebody deleted it."""
    now = datetime.now(UTC)
    soon = now + timedelta(minutes=3)
    nightly = {"flow": "train", "cron": f"{soon.minute} {soon.hour} * * *", "active": True}
    often = {"flow": "train", "name": "often", "interval": "PT1M", "active": True}
    declare(tmp_path, schedules=[nightly, often])
    deploy()
    there = held(client)
    many = {"min_runs": 300, "max_runs": 300, "end_time": (now + timedelta(hours=9)).isoformat()}
    client.request("POST", "/deployments/{id}/schedule", path_params={"id": there.id}, json=many)
    by_night = {"train-1": called(load_spec("employment").schedules)["train-1"]}
    [of_night] = [each.id for each in there.schedules if each.slug == "train-1"]
    asked = FlowRunFilter(
        created_by=FlowRunFilterCreatedBy(id_=[of_night]),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=now + timedelta(hours=9)),
    )

    made = make_up(client, there, by_night, now + timedelta(hours=8))
    [run] = client.read_flow_runs(flow_run_filter=asked)
    client.delete_flow_run(run.id)
    again = make_up(client, there, by_night, now + timedelta(hours=9))

    assert (made, again) == (0, 0)
    assert client.read_flow_runs(flow_run_filter=asked) == []


def test_prefect_makes_no_run_beside_one_that_was_made_up_for(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    """Should its scheduler look at the very moment, it finds the run there by its own key."""
    declare(tmp_path, schedules=[{**FIRST_DAY, "business_day": {"nth": 1, "at": "02:30"}}])
    deploy()
    there = held(client)
    later = datetime.now(UTC) + timedelta(days=200)
    all_of_them = {"min_runs": 10, "max_runs": 10, "end_time": later.isoformat()}

    made = make_up(client, there, called(load_spec("employment").schedules), later)
    client.request(
        "POST", "/deployments/{id}/schedule", path_params={"id": there.id}, json=all_of_them
    )

    runs = starts(runs_of(client, there.id))
    assert made >= 2
    assert len(runs) == len(set(runs)) >= 6


def test_late_runs_that_nobody_wants_are_skipped_with_the_reason(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    """By the rule that the deployment carries; the newest is left for the worker to take."""
    weekly = {"flow": "train", "cron": "0 6 * * 1", "late": "latest", "late_within": "PT6H"}
    declare(tmp_path, schedules=[{**weekly, "active": True}])
    deploy()
    deployment, now = held(client).id, datetime.now(UTC)
    late = [
        client.create_flow_run_from_deployment(
            deployment,
            state=Scheduled(scheduled_time=now - timedelta(hours=hours)),
            tags=[f"{MADE_UP_FOR}train-1"],
        )
        for hours in (9, 5, 3)
    ]
    person = client.create_flow_run_from_deployment(
        deployment, state=Scheduled(scheduled_time=now - timedelta(days=9))
    )

    async def looked() -> list[FlowRun]:
        async with get_client() as asking:
            return await Lateness(asking).wanted([*late, person], now)

    left = asyncio.run(looked())

    asked = FlowRunFilter(id=FlowRunFilterId(any_=[each.id for each in late]))
    states = {each.id: each.state for each in client.read_flow_runs(flow_run_filter=asked)}
    names = [state.name if (state := states[each.id]) else None for each in late]
    assert [each.id for each in left] == [late[2].id, person.id]
    assert names[:2] == ["Skipped", "Skipped"]
    assert names[2] in {"Scheduled", "Late"}
    first = states[late[0].id]
    assert first is not None
    assert "keeps the latest only" in str(first.message)


def test_of_a_page_that_holds_not_all_none_is_the_latest(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    """The server hands over the oldest of many: it is asked for the newest."""
    weekly = {"flow": "train", "cron": "0 6 * * 1", "late": "latest", "active": True}
    declare(tmp_path, schedules=[weekly])
    deploy()
    handed, newest = late(client, "train", 9), late(client, "train", 3)

    left = asked_of_the_worker([handed])
    left_of_all = asked_of_the_worker([newest])

    assert left == ([], {})
    assert left_of_all == ([newest.id], {})
    said = client.read_flow_run(handed.id).state
    assert said is not None
    assert said.name == "Skipped"


def test_late_runs_wait_for_those_that_they_stand_on(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    """The score starts when the ingest of the same outage has ended, however it ended."""
    schedules = [
        {"flow": flow, "cron": "0 6 * * 1", "active": True} for flow in ("ingest", "score")
    ]
    declare(tmp_path, schedules=schedules)
    deploy()
    ingest, score = late(client, "ingest", 5), late(client, "score", 4)

    first = asked_of_the_worker([score, ingest])
    client.set_flow_run_state(ingest.id, Failed(message="The feed is gone."), force=True)
    then = asked_of_the_worker([score])

    assert first[0] == [ingest.id]
    assert "The run of ingest/employment that was due at" in first[1][score.id]
    assert then == ([score.id], {})


def late(client: SyncPrefectClient, flow: str, hours: int) -> FlowRun:
    """A run that was due so many hours ago, as its first schedule's."""
    return client.create_flow_run_from_deployment(
        held(client, f"{flow}/employment").id,
        state=Scheduled(scheduled_time=datetime.now(UTC) - timedelta(hours=hours)),
        tags=[f"{MADE_UP_FOR}{flow}-1"],
    )


def asked_of_the_worker(due: list[FlowRun]) -> tuple[list[UUID], dict[UUID, str]]:
    """Which of the runs that it was handed a worker starts, and which it holds back for now."""

    async def looked() -> tuple[list[UUID], dict[UUID, str]]:
        async with get_client() as asking:
            lateness, now = Lateness(asking), datetime.now(UTC)
            wanted = await lateness.wanted(due, now)
            held = await Succession(asking, lateness).held(wanted, now)
            return [each.id for each in wanted if each.id not in held], held

    return asyncio.run(looked())
