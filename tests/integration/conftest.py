"""Fixtures of the adapters' tests: GPUs that are not there, and somebody who looks at them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nvml.gpus import SimulatedGpus
from tests.support.nvml.observer import Observer, observing


@pytest.fixture(scope="session")
def _gpus_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gpus") / "state"


@pytest.fixture(scope="session")
def _session_observer(nvml_library: Path, _gpus_state: Path) -> Iterator[Observer]:
    with observing(nvml_library, _gpus_state) as observer:
        yield observer


@pytest.fixture
def gpus(_gpus_state: Path) -> SimulatedGpus:
    """A machine without GPUs, for a test to fill."""
    machine = SimulatedGpus(_gpus_state)
    machine.clear()
    return machine


@pytest.fixture
def observer(_session_observer: Observer, gpus: SimulatedGpus) -> Observer:
    """Looks at the machine; it begins anew for each test."""
    _session_observer.begin()
    return _session_observer
