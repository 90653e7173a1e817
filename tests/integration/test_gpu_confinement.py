"""What holds a run to its lease: real processes, real control groups where there are some."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.errors import ResourceError
from infra.gpu import cgroups
from infra.gpu.belonging import carries, group_name, of_lease
from infra.gpu.confinement import Confinement, adopted, sweep
from infra.gpu.hierarchies import hierarchies
from infra.gpu.host import cores
from infra.gpu.leases import Lease
from tests.support.confined import Host, device, no_groups, running, told

MIB = 2**20
_CORES = [core.number for core in cores()]

grouped = pytest.mark.skipif(bool(no_groups()), reason=no_groups() or "there are groups")
several_cores = pytest.mark.skipif(len(_CORES) < 2, reason="this machine has one core")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """This machine with two GPUs, and nothing of its leases left at the end."""
    made = Host(tmp_path, device(0), device(1))
    yield made
    assert sweep(made.journal.path, list) == []


def test_a_run_and_its_children_have_the_cores_of_its_lease(host: Host) -> None:
    """Threads that it had before, too: a process that waits already imported has some."""
    one, other = host.lease(cpus=1), None
    if len(_CORES) > 1:
        other = host.lease(cpus=len(_CORES) - 1)

    seen = told(host.confine(one), "threads")

    assert seen == {"thread": list(one.grant.cores), "child": list(one.grant.cores)}
    assert other is None or sorted([*one.grant.cores, *other.grant.cores]) == _CORES


@grouped
@several_cores
def test_a_group_keeps_a_run_from_taking_more_cores(host: Host) -> None:
    """Affinity alone is a process's own to change; a cpuset is not."""
    confinement = host.confine(host.lease(cpus=1))
    if confinement.stated.cpus != "cpuset":
        confinement.lift()
        pytest.skip(f"cores are held by {confinement.stated.cpus} here")

    with running(confinement, "report") as process:
        wish = f"import os; os.sched_setaffinity({process.pid}, {_CORES})"
        subprocess.run([sys.executable, "-c", wish], check=False, capture_output=True)

        assert os.sched_getaffinity(process.pid) == set(confinement.stated.cores)


@grouped
def test_a_group_counts_all_processes_of_a_run_together(host: Host) -> None:
    """Three of 120 MiB each have less than 256 one by one; the kernel ends one of them."""
    confinement = host.confine(host.lease(memory="256MiB"))

    with running(confinement, "taking", "120", "3") as process:
        out, _ = process.communicate("\n", timeout=60)
        trouble = confinement.trouble()

    assert confinement.stated.memory.startswith("cgroup")
    assert -9 in json.loads(out)
    assert isinstance(trouble, ResourceError)
    assert "together they wanted more than their 0.25 GiB of memory. Raise memory" in str(trouble)


@grouped
def test_a_run_that_keeps_within_its_memory_has_no_trouble(host: Host) -> None:
    """And what it had at most is known."""
    confinement = host.confine(host.lease(memory="1GiB"))

    with running(confinement, "taking", "60", "2") as process:
        out, _ = process.communicate("\n", timeout=60)
        peak, trouble = confinement.peak_bytes(), confinement.trouble()

    assert (json.loads(out), trouble) == ([0, 0], None)
    assert peak is None or 120 * MIB < peak < 2**30


@grouped
def test_what_outlives_a_lease_in_its_group_is_killed_with_the_group(
    host: Host, tmp_path: Path
) -> None:
    """A process that left session, group and environment behind is still in it."""
    confinement = host.confine(host.lease())
    with running(confinement, "linger", str(tmp_path / "there")) as process:
        process.stdin.write("\n")  # type: ignore[union-attr] # it is a pipe
        process.stdin.flush()  # type: ignore[union-attr] # as above
        _until((tmp_path / "there").exists)
        stray = next(iter(confinement.members()))

        confinement.lift()

        assert stray == process.pid
        assert process.wait(5) == -9
        assert confinement.members() == frozenset()


@grouped
def test_a_process_belongs_to_its_lease_by_its_group_whatever_it_leaves_behind(host: Host) -> None:
    """A session and an environment of its own hide a daemon from everybody else."""
    lease = host.lease()
    confinement = host.confine(lease)
    stray = subprocess.Popen(["/bin/sleep", "60"], env={}, start_new_session=True)

    confinement.apply(stray.pid)

    assert [each.pid for each in of_lease(host.journal.path, lease)] == [stray.pid]
    assert carries(stray.pid, host.journal.path, [lease])
    confinement.lift()
    assert stray.wait(5) == -9


@grouped
def test_a_run_that_its_group_refuses_is_held_by_rlimit_and_not_killed(host: Host) -> None:
    """A cpuset that has lost its cores takes nobody; the lease says so."""
    lease = host.lease(cpus=1)
    confinement = host.confine(lease)
    group = next(iter(cgroups.found(group_name(host.journal.path, lease.id))))
    cpuset = next((each for each in group.folders if (each / "cpuset.cpus").exists()), None)
    if group.version != 1 or cpuset is None:
        group.remove()
        pytest.skip("the groups here are not of version 1")
    (cpuset / "cpuset.cpus").write_text("\n")

    with running(confinement, "report") as process:
        out, _ = process.communicate("\n", timeout=60)

    assert json.loads(out)["cores"] == [*lease.grant.cores]
    assert (confinement.stated.memory, confinement.stated.cpus) == ("rlimit", "affinity")
    assert "cgroup.procs: No space left on device." in confinement.stated.sentence
    assert sweep(host.journal.path, list) == [group.name]


@grouped
def test_groups_that_a_killed_worker_left_are_removed_when_it_is_back(host: Host) -> None:
    """Those of leases that stand are left, and so are another journal's."""
    ended, standing = host.lease(), host.lease()
    left, kept = host.confine(ended), host.confine(standing)
    other = Host(host.journal.path.parent / "other", device(0))
    theirs = other.confine(other.lease())
    host.release(ended)

    with running(kept, "linger", "/dev/null") as process:
        removed = sweep(host.journal.path, host.journal.leases)

        assert removed == [f"{removed[0].rpartition('-')[0]}-{ended.id}"]
        assert process.poll() is None
        assert process.pid in kept.members()
    assert theirs.trouble() is None
    assert [each.name for each in cgroups.found(removed[0])] == []
    theirs.lift()
    left.lift()


@grouped
def test_a_run_that_begins_while_another_worker_sweeps_is_not_harmed(host: Host) -> None:
    """Leases are asked for after the groups were found: none is younger than they are."""
    begun: list[Confinement] = []

    def before_it_was_given() -> list[Lease]:
        begun.append(host.confine(host.lease()))
        return []

    assert sweep(host.journal.path, before_it_was_given) == []
    assert sweep(host.journal.path, host.journal.leases) == []
    begun[0].lift()


@grouped
def test_a_lease_that_is_adopted_is_asked_and_lifted_by_its_new_worker(host: Host) -> None:
    """The group tells of itself, whoever has made it."""
    lease = host.lease(memory="200MiB")
    made = host.confine(lease)

    with running(made, "taking", "300", "1") as process:
        heir = adopted(lease, host.journal.path)
        process.communicate("\n", timeout=60)
        trouble = heir.trouble()
        heir.lift()

    assert heir.stated.model_dump() == made.stated.model_dump()
    assert trouble is not None
    assert adopted(lease, host.journal.path).stated.memory == "rlimit"


def test_without_groups_each_process_is_held_by_its_rlimit(host: Host, tmp_path: Path) -> None:
    """Addresses that are only reserved are not counted: CUDA reserves terabytes of them."""
    confinement = host.confine(host.lease(memory="256MiB", cpus=1), root=tmp_path)
    code = (
        "import mmap; mmap.mmap(-1, 2**34, flags=mmap.MAP_PRIVATE, prot=0); "
        "print('reserved'); x = bytearray(2**29)"
    )
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'read line; exec "$@"', "sh", sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    confinement.apply(process.pid)
    out, error = process.communicate("\n", timeout=60)

    assert (out, error.splitlines()[-1]) == ("reserved\n", "MemoryError")
    assert (confinement.stated.memory, confinement.stated.cpus) == ("rlimit", "affinity")
    assert confinement.trouble() is None
    assert confinement.stated.sentence == (
        f"Lease 1: no GPU; 1 core ({confinement.stated.cores[0]}) by affinity, which a process can "
        "change; 0.25 GiB of memory by rlimit, for each process of its own. No control group holds "
        "it: no memory controller is mounted."
    )


def test_a_group_of_version_2_goes_with_all_that_is_in_it() -> None:
    """In a hierarchy without the memory controller too, as old distributions mount it."""
    mounts = [each.mount for each in hierarchies() if each.version == 2]
    if not mounts or not os.access(mounts[0], os.W_OK):
        pytest.skip("no hierarchy of version 2 that this user may write")
    folder = mounts[0] / f"perennial-try-{os.getpid()}"
    folder.mkdir()
    group = cgroups.Group(name=folder.name, version=2, folders=(folder,))
    process = subprocess.Popen(["/bin/sleep", "60"])

    group.admit(process.pid)
    inside, again = group.members(), cgroups.found(folder.name)
    group.remove()

    assert inside == {process.pid}
    assert again == [group]
    assert (process.wait(5), folder.exists(), group.kills()) == (-9, False, 0)


def test_a_process_that_has_ended_needs_no_hold(host: Host) -> None:
    """Its exit is told by whoever waits for it."""
    confinement = host.confine(host.lease())
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()

    confinement.apply(process.pid)
    confinement.lift()

    assert not psutil.pid_exists(process.pid)


def test_a_run_that_asked_for_no_cores_and_no_memory_is_held_to_its_devices_alone(
    host: Host,
) -> None:
    """As Prefect's own worker runs it."""
    confinement = host.confine(host.lease(gpus=1, cpus=0, memory=None))
    inherited = sorted(os.sched_getaffinity(0))

    with running(confinement, "report") as process:
        out, _ = process.communicate("\n", timeout=60)

    assert json.loads(out)["cores"] == inherited
    assert "OMP_NUM_THREADS" not in confinement.environment
    assert (confinement.stated.cpus, confinement.stated.memory) == ("", "")
    assert confinement.stated.sentence.endswith("no cores of its own; no memory kept for it.")


def _until(claim: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)
