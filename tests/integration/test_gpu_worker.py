"""The worker of a GPU machine: real server, real workers and runs, GPUs that are not there."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.states import Scheduled

from infra.gpu.lateness import MADE_UP_FOR
from infra.resources import RunRequest
from tests.support.confined import no_groups
from tests.support.nvml.gpus import SimulatedGpus
from tests.support.pools import Pool, Run, waited


def test_each_run_sees_exactly_the_devices_that_it_leased(pool: Pool, gpus: SimulatedGpus) -> None:
    """Two runs of one GPU on a machine of two see different ones; a run of none sees none."""
    there = {gpus.add().uuid, gpus.add().uuid}
    pool.start()

    one, other, none = pool.run(gpus=1), pool.run(gpus=1), pool.run()
    seen = [each.seen()["environment"] for each in (one, other, none)]

    assert {each["CUDA_VISIBLE_DEVICES"] for each in seen[:2]} == there
    assert seen[2]["CUDA_VISIBLE_DEVICES"] == "-1"
    assert {each["CUDA_DEVICE_ORDER"] for each in seen} == {"PCI_BUS_ID"}
    held = {lease.run: lease for lease in pool.leases}
    assert {str(lease.id) for lease in held.values()} == {each["PERENNIAL_LEASE"] for each in seen}
    process = held[one.id].process
    assert process is not None
    assert process.pid == one.seen()["pid"]


def test_a_worker_keeps_its_things_in_the_home(pool: Pool, tmp_path: Path) -> None:
    """The machine's folder for them is another user's; what is left of it goes with the worker."""
    (tmp_path / "runner_storage").touch()
    (home := tmp_path / "home").mkdir()
    worker = pool.start(TMPDIR=str(tmp_path), PERENNIAL_HOME=str(home))

    pool.run().seen()
    held = [each.name for each in (home / "tmp").iterdir()]
    worker.terminate()
    worker.wait(30)

    assert [each.split("-")[:2] for each in held] == [["worker", str(worker.pid)]]
    assert list((home / "tmp").iterdir()) == []


def test_a_run_waits_until_a_device_is_free(pool: Pool, gpus: SimulatedGpus) -> None:
    """It stays Scheduled, for another worker to take, and starts when the lease has ended."""
    gpus.add()
    pool.start()
    first = pool.run(gpus=1)
    first.seen()

    second = pool.run(gpus=1)
    passing = pool.run()
    passing.seen()
    assert not second.told
    assert second.now.state is not None
    assert second.now.state.is_scheduled()
    for each in (first, passing, second):
        each.let_go()

    assert [each.over().state_name for each in (first, second, passing)] == ["Completed"] * 3
    waited(lambda: not pool.leases)


def test_a_run_is_held_to_its_lease_and_its_log_says_by_what(pool: Pool) -> None:
    """Cores and memory are its own from the moment it has a process."""
    pool.start()

    run = pool.run(cpus=1, memory="1GiB")
    pid = run.seen()["pid"]

    lease = next(each for each in pool.leases if each.run == run.id)
    assert os.sched_getaffinity(pid) == set(lease.grant.cores)
    waited(lambda: any(f"Lease {lease.id}: no GPU; 1 core (" in line for line in run.log()))
    run.let_go()
    assert run.over().state_name == "Completed"
    waited(lambda: not pool.groups)


@pytest.mark.skipif(bool(no_groups()), reason=no_groups() or "there are groups")
def test_a_run_that_wants_more_memory_than_it_leased_says_so(pool: Pool) -> None:
    """The kernel kills it; its page gives the reason and what to do, not the signal alone."""
    pool.start()

    run = pool.run(memory="64MiB")
    run.over()

    waited(lambda: "more than their 0.0625 GiB of memory. Raise memory" in run.said())
    assert run.now.state_name == "Crashed"
    waited(lambda: any("The kernel killed" in line for line in run.log()))


def test_a_run_without_gpus_starts_though_the_driver_fails(pool: Pool, gpus: SimulatedGpus) -> None:
    """It has no use for the driver, and is held to its cores all the same."""
    gpus.add()
    gpus.fail("nvmlInitWithFlags", 999)
    pool.start()

    run = pool.run(cpus=1)
    pid = run.seen()["pid"]

    assert os.sched_getaffinity(pid) == set(pool.leases[0].grant.cores)
    run.let_go()
    assert run.over().state_name == "Completed"


@pytest.mark.parametrize(("asked", "ends"), [("1", "Completed"), ("2", "Refused")])
def test_what_a_program_submits_is_leased_like_any_other_run(
    pool: Pool, gpus: SimulatedGpus, tmp_path: Path, asked: str, ends: str
) -> None:
    """``worker.submit`` takes its turn, sees its device alone, and is refused what is not there."""
    uuid = gpus.add().uuid

    done = pool.program("tests.support.submitting", pool.name, str(tmp_path / "seen"), asked)

    assert done.count(f"ENDED {ends}") == 2, done
    for report in tmp_path.glob("seen-?"):
        seen = json.loads(report.read_text())["environment"]
        assert seen["CUDA_VISIBLE_DEVICES"] == uuid
        assert "PERENNIAL_LEASE" in seen
    assert len(list(tmp_path.glob("seen-?"))) == (2 if ends == "Completed" else 0)
    assert pool.leases == []


def test_two_workers_of_one_machine_share_its_devices(pool: Pool, gpus: SimulatedGpus) -> None:
    """Each sees what the other leases: no device is given twice, and both get some to do."""
    there = {gpus.add().uuid, gpus.add().uuid}
    pool.start("left", "--limit", "1")
    pool.start("right", "--limit", "1")

    runs = [pool.run(gpus=1, env={"LOCKS": str(pool.folder)}) for _ in range(4)]
    waited(lambda: sum(run.told for run in runs) == 2)

    seen = {each.seen()["environment"]["CUDA_VISIBLE_DEVICES"] for each in runs if each.told}
    assert seen == there
    assert {lease.worker.rpartition("/")[2] for lease in pool.leases} == {"left", "right"}
    for run in runs:
        run.let_go()
    assert [run.over().state_name for run in runs] == ["Completed"] * 4


def test_a_pool_is_made_by_prefect_s_own_command(pool: Pool) -> None:
    """``prefect work-pool create NAME --type gpu-process``, with every job variable described."""
    name = f"{pool.name}-typed"

    said = pool.program("prefect", "work-pool", "create", name, "--type", "gpu-process")

    assert "Created work pool" in said, said
    with get_client(sync_client=True) as client:
        made = client.read_work_pool(name)
    assert made.type == "gpu-process"
    variables = made.base_job_template["variables"]["properties"]
    assert all(variables[name]["description"] for name in RunRequest.model_fields)


def test_of_late_runs_the_worker_starts_those_that_their_schedule_wants(
    pool: Pool, tmp_path: Path
) -> None:
    """After an outage three are due, and the schedule keeps the latest."""
    by_person = pool.run(late={"daily": {"keep": "latest"}})
    deployment = by_person.now.deployment_id
    assert deployment is not None
    parameters = {"report": str(tmp_path / "newest.json"), "until": str(tmp_path / "newest.go")}
    with get_client(sync_client=True) as client:
        late = [
            client.create_flow_run_from_deployment(
                deployment,
                parameters=parameters,
                state=Scheduled(scheduled_time=datetime.now(UTC) - timedelta(days=days)),
                tags=[f"{MADE_UP_FOR}daily"],
            ).id
            for days in (3, 2, 1)
        ]

        pool.start()
        by_person.seen()
        newest = Run(late[2], tmp_path / "newest.json", tmp_path / "newest.go")
        newest.seen()
        states = [client.read_flow_run(each).state_name for each in late]
        newest.let_go()
        by_person.let_go()

    assert states == ["Skipped", "Skipped", "Running"]
