"""The embedded stack as its users start it: up, down, and every way in which it is killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import State
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.states import Running, Scheduled

from deployments.demo.__main__ import standing
from infra import processes
from infra.addresses import HOST, addresses, is_free, keep_ports, read_ports
from infra.databases import reach
from infra.errors import BackendError, ResourceError
from infra.places import read_places
from infra.pools import POOL
from infra.settings import PROJECT, settings
from infra.stack import down, is_up, up
from infra.stack.health import server_status
from infra.stack.reconcile import crash_lost_runs
from infra.stack.supervision import keeper_pid
from tests.support.stack import Stack, eventually, fresh_home

pytestmark = [
    pytest.mark.slow,
    # Prefect's client leaves the sockets of a closed pool to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PERENNIAL = [sys.executable, "-c", "from deployments.cli import main; main()"]
_SOURCE = PROJECT / "tests" / "support" / "beating_flow.py"


@pytest.fixture
def light_home(home: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that borrows the slow servers of the session's stack: its own start in seconds.

    Its path holds what shells, formats and the supervisor's file have a meaning for.
    """
    with fresh_home(home / "of Zoë's, 100%d $x [y]") as folder:
        monkeypatch.setenv("PERENNIAL_HOME", str(folder))
        monkeypatch.setenv("PREFECT_API_URL", stack.addresses.prefect_api)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", stack.addresses.mlflow)
        settings.cache_clear()
        yield folder


def test_every_server_of_the_stack_answers_where_its_address_says(stack: Stack) -> None:
    """The addresses that `up` returns are those that a person can open."""
    for address in (
        f"{stack.addresses.prefect_api}/health",
        stack.addresses.prefect_ui,
        stack.addresses.mlflow,
        stack.addresses.pages,
    ):
        assert fetch(address)[0] == 200
    assert {each.state for each in server_status()} == {"running"}


def test_up_says_so_when_the_stack_is_up(stack: Stack) -> None:
    """A second `up` starts nothing and answers at once; the stack is no child of who started it."""
    keeper = keeper_pid()
    began = time.monotonic()

    again = up(owner=os.getpid())

    assert again == stack.addresses
    assert keeper_pid() == keeper
    assert os.getpid() not in {each.pid for each in psutil.Process(keeper).parents()}
    assert time.monotonic() - began < 10


def test_every_process_of_the_stack_is_marked_and_calls_nobody(stack: Stack) -> None:
    """The marker finds them for certain; the telemetry switches are in each environment."""
    identity = read_places().identity

    found = processes.marked(identity)

    commands = " ".join(" ".join(process.cmdline()) for process in found)
    for part in ("supervisord", "prefect_server", "mlflow_server", ".pages.", "prefect worker"):
        assert part in commands
    assert {processes.variable(process, "DO_NOT_TRACK") for process in found} == {"true"}


def test_the_worker_runs_a_deployment_in_the_environment_of_the_stack(
    stack: Stack, tmp_path: Path
) -> None:
    """A flow's process knows the addresses, carries the marker and can be interrupted."""
    target = tmp_path / "facts.json"

    run = finished(started_run("worker-runs", target=str(target)))

    facts = json.loads(target.read_text())
    assert run == "COMPLETED"
    assert facts["marker"] == read_places().identity
    assert facts["addresses"] == stack.addresses.model_dump()
    assert facts["interruptible"]
    assert facts["telemetry"] == "true"


def test_the_server_creates_the_runs_of_a_schedule(stack: Stack) -> None:
    """With a wrong SQLAlchemy the scheduler fails in silence and no run is ever created."""
    with prefect_client() as client:
        flow_id = client.create_flow_from_name("scheduled-only")
        every_day = IntervalSchedule(interval=timedelta(days=1), timezone="UTC")
        deployment = client.create_deployment(
            flow_id=flow_id,
            name="scheduled-only",
            schedules=[DeploymentScheduleCreate(schedule=every_day, active=True)],
        )
        mine = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))

        eventually(lambda: client.read_flow_runs(deployment_filter=mine), within_s=75)

        client.delete_deployment(deployment)


def test_a_run_that_no_process_backs_is_crashed_with_the_reason(
    stack: Stack, tmp_path: Path
) -> None:
    """What a kill left "Running" for ever ends; a run whose process lives is left alone."""
    target = tmp_path / "alive.json"
    alive = started_run("alive", target=str(target), seconds=600)
    eventually(target.exists, within_s=60)
    lost = set_running(scheduled_for_later("lost"))

    crash_lost_runs(read_places(), worker_is_up=False)

    with prefect_client() as client:
        ended, working = client.read_flow_run(lost).state, client.read_flow_run(alive).state
    os.kill(json.loads(target.read_text())["pid"], signal.SIGKILL)
    assert ended is not None
    assert working is not None
    assert (ended.type.value, working.type.value) == ("CRASHED", "RUNNING")
    assert "No process of this stack runs it any more" in str(ended.message)
    assert finished(alive) == "CRASHED"


def test_the_pages_are_listed_and_served_to_this_machine_only(stack: Stack) -> None:
    """A report has an address; a name that points at this machine from outside gets nothing."""
    page = stack.home / "reports" / "flights" / "2013-06 drift.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("<h1>June</h1>")

    report = fetch(addresses().page(page))
    index = fetch(stack.addresses.pages)
    foreign = fetch(stack.addresses.pages, host="attacker.example")

    assert report == (200, "<h1>June</h1>")
    assert 'href="/flights/2013-06%20drift.html"' in index[1]
    assert foreign[0] == 400


def test_the_command_shows_servers_logs_and_health_as_json(stack: Stack) -> None:
    """Each command that prints facts prints them for machines, too."""
    status = perennial("status", "--json", home=stack.home)
    logs = perennial("logs", "postgres", "-n", "3", "--json", home=stack.home)
    doctor = perennial("doctor", "--json", home=stack.home)

    servers = {server["name"]: server for server in json.loads(status.stdout)["servers"]}
    checks = {check["name"]: check for check in json.loads(doctor.stdout)["checks"]}
    assert {name: server["state"] for name, server in servers.items()} == dict.fromkeys(
        ("postgres", "prefect", "mlflow", "pages", "worker"), "running"
    )
    assert servers["mlflow"]["address"] == stack.addresses.mlflow
    assert 0 < len(json.loads(logs.stdout)["postgres"]) <= 3
    assert checks["database"]["verdict"] == "ok"


def test_when_the_owner_is_killed_everything_is_gone_within_15_seconds(light_home: Path) -> None:
    """Kill -9 of the command that wanted the stack leaves nothing running for long."""
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    up(owner=owner.pid)
    identity = read_places().identity
    ports = read_ports()
    before = len(processes.marked(identity))

    owner.kill()
    owner.wait()
    eventually(lambda: not processes.marked(identity), within_s=15)

    assert before >= 5
    assert is_free(ports.pages)
    assert keeper_pid() is None


def test_a_stack_whose_home_is_gone_ends(light_home: Path, tmp_path: Path) -> None:
    """Nobody could ask it to: what says where it is went with the home."""
    up()
    identity, ports = read_places().identity, read_ports()
    gone = light_home.rename(tmp_path / "gone")

    eventually(lambda: not processes.marked(identity), within_s=15)
    assert (is_free(ports.pages), light_home.exists()) == (True, False)
    gone.rename(light_home)  # its database goes with it


def test_the_demo_stops_what_it_started_and_nothing_else(light_home: Path) -> None:
    """A stack that was up before is up afterwards, even after Ctrl-C."""
    with standing(print, stays=is_up()):
        between = is_up()
    after_its_own = is_up()
    up()

    with suppress(KeyboardInterrupt), standing(print, stays=is_up()):
        raise KeyboardInterrupt

    assert (between, after_its_own, is_up()) == (True, False, True)


def test_up_puts_right_what_a_killed_supervisor_left(light_home: Path) -> None:
    """Keeper and supervisor are killed at once: the orphans end before new servers start."""
    up(owner=os.getpid())
    identity = read_places().identity
    old = {process.pid for process in processes.marked(identity)}
    keeper = keeper_pid()
    assert keeper is not None
    heads = [psutil.Process(keeper), *psutil.Process(keeper).children()]
    for head in heads:
        head.kill()
    psutil.wait_procs(heads, timeout=10)
    orphans = processes.marked(identity)
    said: list[str] = []

    up(owner=os.getpid(), progress=said.append)
    new = {process.pid for process in processes.marked(identity)}

    assert orphans
    assert not old & new
    assert any("that a killed stack had left" in line for line in said)
    assert {each.state for each in server_status()} == {"running", "own"}


def test_a_killed_database_comes_back_by_itself(light_home: Path) -> None:
    """The supervisor starts PostgreSQL again, which recovers; nobody needs to run `up`."""

    def answers_again() -> bool:
        try:
            return bool(reach())
        except BackendError:
            return False

    up(owner=os.getpid())
    first = status_of("postgres")
    assert first is not None

    os.kill(first, signal.SIGKILL)
    eventually(lambda: status_of("postgres") not in {None, first}, within_s=20)
    eventually(answers_again, within_s=20)

    down()
    assert not is_up()
    assert processes.marked(read_places().identity) == []


def test_two_ups_at_once_make_one_stack(light_home: Path) -> None:
    """The second waits for the first and finds everything done."""
    commands = [
        subprocess.Popen(
            [*PERENNIAL, "up", "--json", "--owner", str(os.getpid())],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        )
        for _ in range(2)
    ]

    answers = [command.communicate(timeout=120) for command in commands]

    assert [command.returncode for command in commands] == [0, 0], answers
    assert answers[0][0] == answers[1][0]
    keepers = [
        process
        for process in processes.marked(read_places().identity)
        if "infra.keeper" in process.cmdline()
    ]
    assert len(keepers) == 1


def test_a_taken_port_is_an_error_that_names_the_port_and_who_holds_it(home: Path) -> None:
    """A kept port is not given up in silence: links would point at somebody else's server."""
    home.mkdir()
    port = keep_ports().mlflow
    with closing(socket.socket()) as taker:
        taker.bind((HOST, port))
        taker.listen()

        with pytest.raises(ResourceError, match=rf"Port {port}.*process {os.getpid()}") as caught:
            up(owner=os.getpid())

    assert "addresses.json" in caught.value.advice
    assert not is_up()


def test_a_damaged_journal_of_leases_ends_up_with_a_sentence(light_home: Path) -> None:
    """The worker is not started again and again; the file is left for a person to look at."""
    light_home.mkdir(parents=True)
    journal = light_home / "leases.db"
    journal.write_bytes(b"no journal" * 1000)

    with pytest.raises(BackendError, match=r"leases\.db is damaged"):
        up(owner=os.getpid())

    log = (light_home / "logs" / "worker.log").read_text()
    assert log.count("The worker cannot start.") == 1
    assert journal.read_bytes() == b"no journal" * 1000


def fetch(address: str, host: str | None = None) -> tuple[int, str]:
    """Status and body of a page."""
    answer = httpx.get(address, headers={"Host": host} if host else {}, timeout=20)
    return answer.status_code, answer.text


def perennial(*arguments: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """What the command prints and how it ends."""
    return subprocess.run(
        [*PERENNIAL, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=PROJECT,
        env={**os.environ, "PERENNIAL_HOME": str(home)},
    )


def status_of(server: str) -> int | None:
    """The pid of a server that runs."""
    return next(found.pid for found in server_status() if found.name == server)


def prefect_client() -> SyncPrefectClient:
    """A client of the server that the environment names."""
    return get_client(sync_client=True)


def deployed(name: str) -> UUID:
    """A deployment of the beating flow for the worker of our pool."""
    with prefect_client() as client:
        return client.create_deployment(
            flow_id=client.create_flow_from_name("beating"),
            name=name,
            work_pool_name=POOL,
            # Without this step Prefect copies the whole folder, its environment included.
            pull_steps=[
                {"prefect.deployments.steps.set_working_directory": {"directory": str(PROJECT)}}
            ],
            entrypoint=f"{_SOURCE.relative_to(PROJECT)}:beating",
        )


def started_run(name: str, **parameters: object) -> UUID:
    """A run of the beating flow that the worker takes up now."""
    with prefect_client() as client:
        run = client.create_flow_run_from_deployment(deployed(name), parameters=parameters)
        return run.id


def scheduled_for_later(name: str) -> UUID:
    """A run of our pool that no worker takes up."""
    later: State[None] = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(days=1))
    with prefect_client() as client:
        return client.create_flow_run_from_deployment(deployed(name), state=later).id


def set_running(run: UUID) -> UUID:
    """The run, Running as the server sees it."""
    with prefect_client() as client:
        client.set_flow_run_state(run, Running(), force=True)
    return run


def finished(run: UUID, within_s: float = 60) -> str:
    """The type of the state in which a run ends."""
    with prefect_client() as client:
        deadline = time.monotonic() + within_s
        while True:
            state = client.read_flow_run(run).state
            if state is not None and state.is_final():
                return state.type.value
            assert time.monotonic() < deadline, f"the run is {state}"
            time.sleep(0.2)
