"""Deploying to a real Prefect server on PostgreSQL: what it holds is what is declared."""

import json
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments import run_deployment
from prefect.exceptions import PrefectHTTPStatusError
from ruamel.yaml import YAML
from typer.testing import CliRunner

from deployments.apply import Change, deploy, orphans
from deployments.cli import build
from deployments.demo.opening import cast
from deployments.plan import FLOWS
from infra.errors import BackendError, ConfigError
from infra.pools import POOL
from infra.settings import PROJECT
from tests.support.homes import environment

NOON = {"flow": "score", "cron": "0 12 * * *", "timezone": "America/New_York", "active": True}


@pytest.fixture
def client(api: str) -> Iterator[SyncPrefectClient]:
    """A client of the server that the session shares, which holds no deployment."""
    assert api
    with get_client(sync_client=True) as client:
        for each in client.read_deployments():
            client.delete_deployment(each.id)
        yield client


@pytest.fixture
def models(client: SyncPrefectClient, tmp_path: Path) -> Iterator[Path]:
    """A folder that declares employment and flights, without their data."""
    for name in ("employment", "flights"):
        source = PROJECT / "deployments" / name
        shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("data"))
    with environment({"PERENNIAL_MODELS": str(tmp_path)}):
        yield tmp_path


def declare(models: Path, name: str, **changes: object) -> None:
    """Change a model's declaration."""
    yaml, path = YAML(), models / name / "model.yaml"
    document = yaml.load(path)
    document.update(changes)
    yaml.dump(document, path)


def held(client: SyncPrefectClient) -> dict[str, DeploymentResponse]:
    """What the server holds, by entrypoint's flow and name."""
    return {
        f"{(each.entrypoint or '').split(':')[-1]}/{each.name}": each
        for each in client.read_deployments()
    }


def scheduled_runs(client: SyncPrefectClient, patience_s: float = 30) -> list[FlowRun]:
    """The runs that the server has created from schedules, as soon as there are any."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        runs = [run for run in client.read_flow_runs() if run.auto_scheduled]
        if runs:
            return runs
        time.sleep(0.2)
    return []


def test_deploy_makes_six_deployments_for_each_model(
    client: SyncPrefectClient, models: Path
) -> None:
    """Each runs from the project's folder, in our pool, for its model."""
    applied = deploy()

    there = held(client)
    expected = {f"{flow}/{model}" for model in ("employment", "flights") for flow in FLOWS}
    assert {each.name for each in applied} == set(there) == expected
    assert {each.change for each in applied} == {Change.CREATED}
    assert {each.work_pool_name for each in there.values()} == {POOL}
    assert client.read_work_pool(POOL).type == "gpu-process"
    assert all(each.parameters == {"model": each.name} for each in there.values())
    assert all(each.path == str(PROJECT) for each in there.values())


def test_what_is_as_declared_is_left_alone(client: SyncPrefectClient, models: Path) -> None:
    """A second deploy touches nothing, and takes under five seconds for twelve."""
    deploy()
    before = held(client)
    started = time.monotonic()

    again = deploy()

    assert time.monotonic() - started < 5
    assert {each.change for each in again} == {Change.UNCHANGED}
    assert held(client) == before


def test_only_what_changed_is_updated(client: SyncPrefectClient, models: Path) -> None:
    """A schedule of ``score`` concerns ``score``; its links stay, because its id does."""
    declare(models, "employment", schedules=[NOON])
    deploy()
    before = held(client)
    declare(models, "employment", schedules=[{**NOON, "cron": "0 13 * * *"}])

    again = deploy()

    updated = [each.name for each in again if each.change is not Change.UNCHANGED]
    assert updated == ["score/employment"]
    assert held(client)["score/employment"].id == before["score/employment"].id


def test_what_is_no_longer_declared_is_removed(client: SyncPrefectClient, models: Path) -> None:
    """A model whose folder is gone leaves nothing that a schedule could start."""
    deploy()
    shutil.rmtree(models / "employment")

    again = deploy()

    removed = {each.name for each in again if each.change is Change.REMOVED}
    assert removed == {f"{flow}/employment" for flow in FLOWS}
    assert set(held(client)) == {f"{flow}/flights" for flow in FLOWS}


def test_a_deployment_goes_with_the_trigger_that_asked_for_it(
    client: SyncPrefectClient, models: Path
) -> None:
    """Also where its model alone is deployed; a path that is not there would never start it."""
    asked = {"paths": ["tasks/packaging"], "then": "repackage"}
    declare(models, "employment", triggers={"application": [asked]})
    came = deploy("employment")
    declare(models, "employment", triggers={})
    went = deploy("employment")
    declare(models, "employment", triggers={"application": [{**asked, "paths": ["task/"]}]})

    with pytest.raises(ConfigError, match="name task/, which is not there"):
        deploy("employment")

    changes = [{each.name: each.change for each in applied} for applied in (came, went)]
    assert changes[0]["repackage/employment"] is Change.CREATED
    assert changes[1]["repackage/employment"] is Change.REMOVED


def test_what_others_deployed_is_never_removed(
    client: SyncPrefectClient, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One server may hold deployments of other people, and of another folder of models."""
    theirs = client.create_deployment(client.create_flow_from_name("theirs"), "flights")
    other = tmp_path_factory.mktemp("models")
    shutil.copytree(models / "employment", other / "employment")
    deploy("flights")

    with environment({"PERENNIAL_MODELS": str(other)}):
        applied = deploy()

    assert Change.REMOVED not in {each.change for each in applied}
    assert len(held(client)) == 1 + 6 + 6
    assert client.read_deployment(theirs).name == "flights"


def test_deploying_one_model_leaves_the_others(client: SyncPrefectClient, models: Path) -> None:
    """``perennial deploy NAME`` is for the one who works on NAME."""
    deploy()
    shutil.rmtree(models / "employment")

    again = deploy("flights")

    assert {each.name for each in again} == {f"{flow}/flights" for flow in FLOWS}
    assert len(held(client)) == 12


def test_what_is_left_of_a_model_is_told_and_removed_by_its_name(
    client: SyncPrefectClient, models: Path
) -> None:
    """Its folder is gone, its deployments and automations are not: there is a way to end them."""
    declare(models, "employment", triggers={"events": [{"event": "rules.changed"}]})
    deploy("employment")
    shutil.rmtree(models / "employment")

    told = list(orphans())
    gone = deploy("employment")

    assert [each.partition(" is ")[0] for each in told] == ["employment"]
    assert {each.change for each in gone} == {Change.REMOVED}
    assert (held(client), list(orphans())) == ({}, [])
    assert not [a for a in client.read_automations() if a.name.startswith("heed/employment: ")]
    with pytest.raises(ConfigError, match="There is no model 'employment'"):
        deploy("employment")


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ({"trainer": "trainer:biuld"}, "has no 'biuld'"),
        ({"trainer": "trianer:build"}, "there is no file"),
    ],
)
def test_a_typo_in_an_import_fails_at_deploy(
    client: SyncPrefectClient, models: Path, section: dict[str, str], fault: str
) -> None:
    """Not at night: nothing is deployed until everything that is named is there."""
    declare(models, "employment", training=section)

    with pytest.raises(ConfigError, match=fault):
        deploy()

    assert held(client) == {}


def test_a_trainer_that_does_not_import_fails_at_deploy(
    client: SyncPrefectClient, models: Path
) -> None:
    """The message names the file and what Python said."""
    (models / "employment" / "trainer.py").write_text("import no_such_library\n")

    with pytest.raises(ConfigError, match=r"trainer\.py fails .*No module named 'no_such_library'"):
        deploy()

    assert held(client) == {}


def test_an_expectation_that_nobody_knows_fails_at_deploy(
    client: SyncPrefectClient, models: Path
) -> None:
    """Great Expectations drops it without a word; a suite is counted before it is deployed."""
    suite = models / "employment" / "expectations" / "mine.json"
    suite.parent.mkdir(exist_ok=True)
    typo = {"type": "expect_collumn_to_exist", "kwargs": {}, "meta": {"on_failure": "hold"}}
    suite.write_text(json.dumps({"name": "mine", "expectations": [typo]}))
    yaml, path = YAML(), models / "employment" / "model.yaml"
    document = yaml.load(path)
    next(iter(document["data"]["tables"].values()))["suite"] = "mine"
    yaml.dump(document, path)

    with pytest.raises(ConfigError, match="expect_collumn_to_exist"):
        deploy("employment")

    assert held(client) == {}


def test_an_active_schedule_creates_runs_in_its_own_time_zone(
    client: SyncPrefectClient, models: Path
) -> None:
    """With SQLAlchemy 2.1 no scheduled run is ever created, and only the server's log says so."""
    declare(models, "employment", schedules=[NOON])
    deploy()

    runs = scheduled_runs(client)

    assert runs
    times = [run.expected_start_time for run in runs]
    zone = ZoneInfo("America/New_York")
    assert {time.astimezone(zone).hour for time in times if time is not None} == {12}
    assert {run.parameters["model"] for run in runs} == {"employment"}


def test_a_deploy_that_changes_nothing_keeps_the_scheduled_runs(
    client: SyncPrefectClient, models: Path
) -> None:
    """Prefect deletes them when a deployment is made anew; a late one would be lost."""
    declare(models, "employment", schedules=[NOON])
    deploy()
    before = {run.id for run in scheduled_runs(client)}

    deploy()

    assert before
    assert before <= {run.id for run in client.read_flow_runs()}


def test_paused_schedules_create_no_run(client: SyncPrefectClient, models: Path) -> None:
    """The demo's schedules are there to be seen, and start nothing."""
    declare(models, "employment", schedules=[NOON])

    deploy(paused=True)

    [schedule] = held(client)["score/employment"].schedules
    assert not schedule.active


def test_the_demo_pauses_no_schedule_of_a_model_that_it_does_not_deploy(
    client: SyncPrefectClient, models: Path
) -> None:
    """Its two models are twelve deployments; a third one goes on as its owner deployed it."""
    shutil.copytree(models / "employment", models / "payroll")
    declaration = models / "payroll" / "model.yaml"
    declaration.write_text(declaration.read_text().replace("name: employment", "name: payroll"))
    declare(models, "payroll", schedules=[NOON])
    declare(models, "employment", schedules=[NOON])
    deploy()

    applied = cast()

    there = held(client)
    active = {
        each: there[f"score/{each}"].schedules[0].active for each in ("payroll", "employment")
    }
    assert {each.name.partition("/")[2] for each in applied} == {"flights", "employment"}
    assert len(applied) == 12
    assert active == {"payroll": True, "employment": False}


def test_parameters_are_checked_before_a_run_is_made(
    client: SyncPrefectClient, models: Path
) -> None:
    """A cause that does not exist is refused by the server, and so by CI."""
    deploy("employment")

    with pytest.raises(PrefectHTTPStatusError, match=r"409|422"):
        run_deployment(
            "train/employment", parameters={"cause": "boredom"}, timeout=0, as_subflow=False
        )


def test_a_server_that_is_gone_is_a_sentence_with_a_hint(models: Path) -> None:
    """Not a traceback of an HTTP library."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    nobody = "http://127.0.0.1:9/api"
    with (
        environment({"PREFECT_API_URL": nobody}),
        temporary_settings({PREFECT_API_URL: nobody}),
        pytest.raises(BackendError, match="perennial up"),
    ):
        deploy()


def test_the_command_prints_what_became_of_each(client: SyncPrefectClient, models: Path) -> None:
    """With ``--json`` for machines, a table for people."""
    printed = CliRunner().invoke(build(), ["deploy", "employment", "--json"])
    shown = CliRunner().invoke(build(), ["deploy", "employment"])

    assert printed.exit_code == shown.exit_code == 0, printed.output
    facts = json.loads(printed.stdout)
    assert [each["name"] for each in facts] == [f"{flow}/employment" for flow in FLOWS]
    assert {each["change"] for each in facts} == {"created"}
    assert "unchanged" in shown.stdout


def test_intervals_and_rules_reach_the_server(client: SyncPrefectClient, models: Path) -> None:
    """An interval keeps its times when it is deployed anew; a rule counts in its zone."""
    rule = "DTSTART:20260101T080000\nRRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1"
    schedules = [
        {"flow": "ingest", "interval": "PT6H", "active": True},
        {"flow": "train", "rrule": rule, "timezone": "America/New_York", "active": True},
    ]
    declare(models, "employment", schedules=schedules)

    deploy("employment")

    starts = [run.expected_start_time for run in _of(client, "ingest")]
    assert {time.astimezone(UTC).hour % 6 for time in starts if time} == {0}
    firsts = [run.expected_start_time for run in _of(client, "train")]
    assert {_local(time).hour for time in firsts if time} == {8}
    assert all(_local(time).day <= 3 for time in firsts if time)


def _local(time: datetime) -> datetime:
    return time.astimezone(ZoneInfo("America/New_York"))


def _of(client: SyncPrefectClient, flow: str, patience_s: float = 30) -> list[FlowRun]:
    deployment = held(client)[f"{flow}/employment"].id
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        runs = [run for run in client.read_flow_runs() if run.deployment_id == deployment]
        if runs:
            return runs
        time.sleep(0.2)
    raise AssertionError(f"no run of {flow} was scheduled")
