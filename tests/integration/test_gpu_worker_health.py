"""A worker looks after its devices: real server, worker and runs; what people see of it there."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, VariableCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRunPolicy
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.states import Cancelling
from typer.testing import CliRunner

from deployments.cli import build
from deployments.occupancy import Occupancy
from deployments.reasons import Why
from infra.errors import ConfigError
from infra.gpu.claiming import Left, WaitingRun
from infra.gpu.host import allowance
from infra.gpu.leases import Journal
from infra.gpu.notices import FOREIGN, FOREIGN_GONE
from infra.gpu.offers import PREFIX, Kind, Offer, Told
from infra.gpu.placement import Wait
from infra.gpu.quarantine import entries
from infra.gpu.telling import WAITS, page
from infra.gpu.waiting import waits
from infra.resources import RunRequest
from infra.settings import settings
from infra.starts import start_of
from tests.support.leased import started
from tests.support.nvml.gpus import GIB, SimulatedGpus
from tests.support.pools import Pool, pool_of, waited


@pytest.fixture
def pool(
    api: str,
    tmp_path: Path,
    nvml_library: Path,
    gpus: SimulatedGpus,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Pool]:
    """A pool on a machine with the GPUs that the test adds, which is this process's machine too."""
    monkeypatch.setenv("PERENNIAL_LEASES", str(tmp_path / "leases.db"))
    settings.cache_clear()
    simulated = {"LD_LIBRARY_PATH": str(nvml_library), "SIMULATED_NVML": str(gpus.path)}
    with pool_of(api, tmp_path, **simulated) as pool:
        yield pool


KIND = Kind(name="NVIDIA H100 80GB HBM3", memory_bytes=80 * GIB, capability=(9, 0), count=8)


def events(name: str, machine: Pool) -> list[dict[str, Any]]:
    """What events of a name say, of devices of a test's own machine."""
    wanted = EventFilter(
        event=EventNameFilter(name=[name]),
        resource=EventResourceFilter(id_prefix=["perennial.gpu."]),
    )
    with get_client(sync_client=True) as client:
        found = client.read_events(filter=wanted, limit=50).events
    return [dict(each.payload) for each in found if each.occurred >= machine.since]


def lines(run: UUID) -> str:
    """The log of a run."""
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
    with get_client(sync_client=True) as client:
        return "\n".join(each.message for each in client.read_logs(wanted))


def test_a_colleague_on_a_leased_gpu_is_an_event_and_a_line_in_the_run_s_log(
    pool: Pool, gpus: SimulatedGpus
) -> None:
    """Automations and whoever reads the run's page learn who it is, and when it has gone."""
    gpu = gpus.add()
    pool.start()
    run = pool.run(gpus=1)
    run.seen()

    with started("exec sleep 304") as colleague:
        gpu.run(colleague.pid, 3 * GIB)
        waited(lambda: events(FOREIGN, pool))
        user = colleague.username()
    waited(lambda: events(FOREIGN_GONE, pool))
    waited(lambda: "It has left" in lines(run.id))
    run.let_go()

    (said,) = events(FOREIGN, pool)
    assert (said["command"], said["user"]) == ("sleep 304", user)
    assert "A foreign process is on this run's GPU GPU-00: sleep 304" in lines(run.id)
    assert run.over().state_name == "Completed"


def asked(text: str) -> Why:
    """What ``perennial why RUN --json`` prints, in the environment of the pool's machine."""
    done = CliRunner().invoke(build(), ["why", text, "--json"])
    assert done.exit_code == 0, done.output
    return Why.model_validate_json(done.output)


def test_why_names_what_a_run_waits_for_and_where_another_runs(
    pool: Pool, gpus: SimulatedGpus
) -> None:
    """Place, holder with its end, and the latest start; by name, id or the beginning of a name."""
    gpu = gpus.add()
    pool.start()
    first = pool.run(gpus=1, max_runtime="PT2H")
    first.seen()
    second, third = pool.run(gpus=1), pool.run(gpus=1)
    waited(lambda: len(waits(Journal(pool.folder / "leases.db"))) == 2)

    waiting = asked(str(third.id))
    running = asked(first.now.name)
    shown = CliRunner().invoke(build(), ["why", second.now.name[:-1]]).output
    for each in (first, second, third):
        each.let_go()
    third.over()
    over = asked(str(third.id))

    assert (waiting.standing, waiting.place) == ("waits", 2)
    assert [each.id for each in waiting.ahead] == [str(second.id)]
    (blocker,) = waiting.blocking
    assert blocker.run is not None
    assert (blocker.device, blocker.run.name) == (gpu.uuid, first.now.name)
    assert blocker.until is not None
    assert running.standing == "runs"
    assert gpu.uuid in running.why
    assert "Place 1 in the queue of this machine; nobody is before it." in shown
    assert "at the latest, in 119 min" in shown
    assert (over.standing, over.place, over.state) == ("is over", None, "Completed")
    assert waits(Journal(pool.folder / "leases.db")) == ()


def test_why_answers_for_runs_that_wait_for_nobody_here(pool: Pool) -> None:
    """No worker is online, the run was refused, or there is no such run: each is said.

    So is a worker that has ended since, whose words stay on the run's page.
    """
    lonely = pool.run(memory=allowance().memory_bytes)
    nobody = asked(str(lonely.id))
    holder = pool.run(memory="1GiB", priority=100)
    worker = pool.start()
    wrong = pool.run(gpus="0.3 of mig")
    wrong.over()
    refused = asked(str(wrong.id))
    much = pool.run(memory="900TiB")
    much.over()
    impossible = asked(str(much.id))
    unknown = CliRunner().invoke(build(), ["why", "no-such-run"])
    holder.seen()
    waiting = asked(str(lonely.id))
    worker.kill()
    worker.wait()
    bereft = asked(str(lonely.id))

    assert (nobody.standing, nobody.place) == ("waits", None)
    assert f"`prefect worker start --pool {pool.name}`" in nobody.why
    assert (refused.standing, refused.state) == ("is over", "Refused")
    assert "'0.3 of mig' is no number of GPUs" in refused.why
    assert "Nor could" not in impossible.why
    assert [(each.device, each.run and each.run.id) for each in waiting.blocking] == [
        ("memory", str(holder.id))
    ]
    assert bereft.why.startswith("Worker left of this machine left it, and ended. ")
    assert isinstance(unknown.exception, ConfigError)
    assert "No run is called 'no-such-run'" in str(unknown.exception)


def history(run: UUID) -> list[str]:
    """The names of the states that a run went through."""
    with get_client(sync_client=True) as client:
        states = sorted(client.read_flow_run_states(run), key=lambda each: each.timestamp)
    return [each.name or "" for each in states]


def test_a_run_on_a_gpu_that_fails_goes_to_another(pool: Pool, gpus: SimulatedGpus) -> None:
    """Asked to save its work, ended, placed without that device; Prefect sees no crash in it."""
    there = {each.uuid: each for each in (gpus.add(), gpus.add())}
    saved = pool.folder / "saved"
    pool.start()
    run = pool.run(gpus=1, env={"SAVE_TO": str(saved)}, checkpoint_grace="PT0.5S")
    first = run.seen()
    failed = there[first["environment"]["CUDA_VISIBLE_DEVICES"]]

    failed.raise_xid(48)
    waited(lambda: run.told and run.seen()["pid"] != first["pid"])
    second = run.seen()
    kept = entries(Journal(pool.folder / "leases.db"))
    run.let_go()
    over = run.over()

    assert saved.exists()
    assert start_of(first["pid"]) is None
    assert second["environment"]["CUDA_VISIBLE_DEVICES"] in there.keys() - {failed.uuid}
    assert [
        name for name in history(run.id) if name in {"Running", "Moved", "Crashed", "Failed"}
    ] == [
        "Running",
        "Moved",
        "Running",
    ]
    assert over.state_name == "Completed"
    assert f"GPU {failed.uuid}: XID 48" in lines(run.id)
    assert kept[failed.uuid].out


def test_a_moved_run_that_waits_is_cancelled_at_once(pool: Pool, gpus: SimulatedGpus) -> None:
    """It knows no signal, so it ended at once; nowhere is a process of it, and Prefect knows."""
    gpu = gpus.add()
    pool.start()
    run = pool.run(gpus=1)
    run.seen()
    gpu.raise_xid(79)
    waited(lambda: run.now.state_name == "Moved")
    waited(lambda: waits(Journal(pool.folder / "leases.db")))

    waiting = asked(str(run.id))
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Cancelling())

    assert "is quarantined (XID 79: it fell off the bus" in waiting.why
    assert "It is placed again without that device (move 1 of 3)." in waiting.why
    assert [each.run for each in waiting.blocking] == [None]
    assert run.now.state_name == "Cancelled"
    assert "Crashed" not in history(run.id)


def test_a_run_that_its_gpu_brought_down_goes_to_another(pool: Pool, gpus: SimulatedGpus) -> None:
    """It ended before anybody had looked: the fault is found at its end, and it is no crash."""
    there = {each.uuid: each for each in (gpus.add(), gpus.add())}
    pool.start(PERENNIAL_PATROL_S="600")
    run = pool.run(gpus=1)
    first = run.seen()

    there[first["environment"]["CUDA_VISIBLE_DEVICES"]].raise_xid(79)
    os.kill(first["pid"], signal.SIGKILL)
    waited(lambda: run.seen()["pid"] != first["pid"])
    second = run.seen()["environment"]["CUDA_VISIBLE_DEVICES"]
    run.let_go()

    assert second != first["environment"]["CUDA_VISIBLE_DEVICES"]
    assert run.over().state_name == "Completed"
    assert "Moved" in history(run.id)
    assert "Crashed" not in history(run.id)


_STEPS_OF_A_MOVE = (
    "infra.gpu.keeping:Keeper.move before",  # the fault is known, the run is not asked
    "infra.gpu.machine:Machine.kill before",  # asked, and not ended
    "infra.gpu.machine:Machine.kill after",  # ended, and the server knows nothing
    "infra.gpu.keeping:reschedule before",
    "infra.gpu.moving:let_wait before",  # it has one retry more, and does not wait yet
    "infra.gpu.keeping:reschedule after",  # it waits again, and its lease is still there
    "infra.gpu.machine:Machine.leave before",
)


def test_a_move_goes_on_whatever_step_its_worker_is_killed_at(
    pool: Pool, gpus: SimulatedGpus
) -> None:
    """One worker after another is killed a step later; the run is moved once, and no crash.

    Another machine takes it before the last of them has ended its old lease, and keeps it.
    """
    there = {each.uuid: each for each in (gpus.add(), gpus.add())}
    saved = pool.folder / "saved"
    begun = pool.start()
    run = pool.run(gpus=1, env={"SAVE_TO": str(saved)}, checkpoint_grace="PT0.5S")
    first = run.seen()
    with get_client(sync_client=True) as client:
        client.update_flow_run(run.id, empirical_policy=FlowRunPolicy(retries=2))
    failed = there[first["environment"]["CUDA_VISIBLE_DEVICES"]]
    begun.kill()
    begun.wait()
    failed.state.rows[:] = [0, 0, 1, 0]

    with pool.doomed() as kill_at:
        ends = {step: kill_at(step) for step in _STEPS_OF_A_MOVE}
    pool.start("right", PERENNIAL_LEASES=str(pool.folder / "elsewhere.db"))
    waited(lambda: run.seen()["pid"] != first["pid"])
    second = run.seen()["environment"]["CUDA_VISIBLE_DEVICES"]
    pool.start()
    waited(lambda: not pool.leases)
    retries = run.now.empirical_policy.retries
    run.let_go()

    assert run.over().state_name == "Completed"
    assert retries == 2 + 1
    assert ends == dict.fromkeys(_STEPS_OF_A_MOVE, -signal.SIGKILL)
    assert saved.exists()
    assert start_of(first["pid"]) is None
    assert second in there.keys() - {failed.uuid}
    assert [each for each in history(run.id) if each not in {"Pending", "Submitting"}] == [
        "Scheduled",
        "Running",
        "Moved",
        "Running",
        "Completed",
    ]


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pages(run: UUID) -> list[str]:
    """The artifacts of a run."""
    wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
    with get_client(sync_client=True) as client:
        return [str(each.data) for each in client.read_artifacts(artifact_filter=wanted)]


def test_what_a_run_used_is_measured_and_told(pool: Pool, gpus: SimulatedGpus) -> None:
    """To Prometheus while it runs, on its page when it has ended, and to the run itself."""
    gpu = gpus.add()
    gpu.state.busy, gpu.state.energy = 97, 1_000_000
    port = free_port()
    pool.start(PERENNIAL_METRICS_PORT=str(port))
    run = pool.run(gpus=1)
    facts = run.seen()
    gpu.run(facts["pid"], 70 * GIB)
    gpu.state.energy += 500_000

    series = f'{{device="{gpu.uuid}",run="{run.id}"}}'
    scraped = f"http://127.0.0.1:{port}/metrics"
    wanted = (
        f"perennial_gpu_utilisation_percent{series} 97.0",
        f"perennial_gpu_energy_joules_total{series} 500.0",
    )
    waited(lambda: all(line in httpx.get(scraped).text for line in wanted))
    listening = {
        each.laddr.ip
        for each in psutil.net_connections("tcp")
        if each.laddr and each.laddr.port == port and each.status == psutil.CONN_LISTEN
    }
    run.let_go()
    over = run.over()
    waited(lambda: pages(run.id))
    (page,) = pages(run.id)
    waited(lambda: series not in httpx.get(scraped).text)

    assert over.state_name == "Completed"
    assert listening == {"127.0.0.1"}
    assert f"NVIDIA H100 80GB HBM3 `{gpu.uuid}` | 97 % mean, 97 % peak | 70 GiB of" in page
    assert "| 500 J | 0 s of" in page
    assert facts["hardware"]["driver"] == "580.95.05"
    assert [each["uuid"] for each in facts["hardware"]["devices"]] == [gpu.uuid]
    assert facts["hardware"]["devices"][0]["by"] == "alone"


def test_another_machine_is_shown_and_what_its_worker_said_is_the_answer(pool: Pool) -> None:
    """A run that no worker of this machine has looked at is asked about where one has."""
    offer = Offer(cpus=64, memory_bytes=512 * GIB, kinds=(KIND,))
    told = Told(pool=pool.name, worker="far", host="node7", seen=datetime.now(UTC), offer=offer)
    lonely = pool.run(gpus=1)
    waiter = WaitingRun(run=lonely.id, request=RunRequest(gpus=1), since=datetime.now(UTC))
    left = Left(run=lonely.id, place=3, answer=Wait(why="8 of 8 are leased."))
    with get_client(sync_client=True) as client:
        name = f"{PREFIX}{pool.name.replace('-', '_')}"
        value = told.model_dump(mode="json", exclude_defaults=True)
        client.create_variable(VariableCreate(name=name, value=value))
        text = page(left, waiter, "worker far on node7")
        client.create_artifact(
            ArtifactCreate(type="markdown", description=WAITS, flow_run_id=lonely.id, data=text)
        )

    printed = CliRunner().invoke(build(), ["gpus", "--json"])
    shown = CliRunner().invoke(build(), ["gpus"]).output
    answer = asked(str(lonely.id))
    with get_client(sync_client=True) as client:
        client.delete_variable_by_name(name)

    facts = Occupancy.model_validate_json(printed.output)
    (there,) = [each for each in facts.neighbours if each.pool == pool.name]
    assert (there.machine, there.devices) == ("node7", ("8 x NVIDIA H100 80GB HBM3",))
    assert "node7" in shown
    assert answer.why == (
        f"No worker of its pool {pool.name} is online: `prefect worker start --pool {pool.name}`. "
        "8 of 8 are leased. (as worker far on node7 sees it; another worker of the pool may take "
        "it first)"
    )
