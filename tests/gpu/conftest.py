"""A machine with a GPU that is free, and torch built for it; without one, why these tests skip."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from infra.errors import BackendError
from infra.gpu.confinement import sweep
from infra.gpu.devices import Device
from infra.gpu.machine import Machine
from infra.gpu.watch import Watch
from tests.gpu.torched import Site, ran


@pytest.fixture(scope="session")
def device() -> Device:
    """The first whole GPU that can be leased; torch can use it."""
    with Watch() as watch:
        try:
            seen = watch.read()
        except BackendError as error:
            pytest.skip(f"the driver fails: {error}")
    whole = [each for each in seen.inventory.devices if each.profile is None]
    if not whole:
        pytest.skip(seen.absent or "every GPU is cut into slices")
    try:
        version("torch")
    except PackageNotFoundError:
        pytest.skip("torch is not installed: requirements-gpu.txt")
    done = ran("import torch; print(torch.cuda.is_available(), torch.version.cuda)", {})
    if not done.stdout.startswith("True"):
        pytest.skip(f"torch {version('torch')} has no use for the GPU: {done.stdout}{done.stderr}")
    return whole[0]


@pytest.fixture
def site(device: Device, tmp_path: Path) -> Iterator[Site]:
    """The machine under a journal of the test's own; nothing of its leases is left at the end."""
    machine = Machine(tmp_path / "leases.db", "http://nowhere/pool/test")
    made = Site(machine)
    try:
        yield made
    finally:
        for lease in machine.journal.leases():
            machine.leave(lease)
        machine.close()
        assert sweep(machine.journal.path, list) == []


@pytest.fixture
def free(site: Site, device: Device) -> Device:
    """The GPU, if nobody else is on it now."""
    now = site.machine.observe().inventory.device(device.uuid)
    if now is None or now.state != "ok":
        pytest.skip(f"{device.uuid} is {now.state}: {now.why}" if now else "it is gone")
    return now
