"""Schedulers on a virtual clock: what the comparison counts, and that ours wins where it says."""

import pytest

from deployments.bench.scheduling.picture import draw
from deployments.bench.scheduling.policies import POLICIES
from deployments.bench.scheduling.simulation import Figures, Simulation
from deployments.bench.scheduling.trace import trace

GPUS, JOBS = 8, 200


@pytest.fixture(scope="module")
def figures() -> dict[str, Figures]:
    """What each policy made of the same runs."""
    jobs = trace(JOBS, GPUS)
    return {name: Simulation(jobs, GPUS, policy).figures() for name, policy in POLICIES.items()}


def test_a_trace_is_the_same_each_time_and_loads_the_cluster_as_asked() -> None:
    """GPU seconds asked for per second of arrivals, as a share of the cluster."""
    jobs = trace(1000, GPUS, load=0.9)

    work = sum(job.gpus * job.runtime_s for job in jobs)
    assert jobs == trace(1000, GPUS, load=0.9)
    assert work / (jobs[-1].arrives_s * GPUS) == pytest.approx(0.9, rel=0.1)
    assert all(job.request.max_runtime for job in jobs)


def test_only_who_knows_no_devices_books_them_twice(figures: dict[str, Figures]) -> None:
    """Counting slots is not leasing devices."""
    twice = {name for name, each in figures.items() if each.double_booked_h > 0}

    assert twice == {"counters"}


def test_runs_wait_least_with_ours(figures: dict[str, Figures]) -> None:
    """Against fixed devices and against order of arrival, on the same runs."""
    ours = figures["Perennial"]

    for name in ("static binding", "first come"):
        assert ours.wait_mean_min < figures[name].wait_mean_min, name
        assert ours.makespan_h < figures[name].makespan_h, name


def test_the_comparison_is_a_picture(figures: dict[str, Figures]) -> None:
    """Two clusters side by side; a figure that nobody has is drawn as none."""
    drawn = draw({8: figures, 16: figures})

    assert drawn.startswith(b"\x89PNG")
    assert drawn != draw({8: figures})
