"""What a lease used, as sums of looks: pure, and no larger after weeks than after a minute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.gpu.courses import Course, Look, Trace
from infra.gpu.report import report
from infra.hardware import DeviceRecord, Hardware
from tasks.registry.record import Request, tags
from tests.support.subjects import candidate

GIB = 2**30


def course(*looks: Look) -> Course:
    """The course of some looks."""
    found = Course()
    for look in looks:
        found = found.after(look)
    return found


def test_utilisation_is_weighed_by_time() -> None:
    """A look after a pause counts for the time that it stands for."""
    found = course(
        Look(seconds=0, busy_percent=90),
        Look(seconds=30, busy_percent=100),
        Look(seconds=90, busy_percent=2),
    )

    assert found.mean_percent == pytest.approx((30 * 100 + 90 * 2) / 120)
    assert (found.peak_percent, found.idle_s, found.seconds) == (100, 90, 120)


def test_energy_is_what_the_counter_grew_by() -> None:
    """By the part that was held; a counter that began anew loses nothing but what nobody saw."""
    found = course(
        Look(seconds=0, counter_j=1000, share=0.5),
        Look(seconds=3, counter_j=1600, share=0.5),
        Look(seconds=3, counter_j=100, share=0.5),
    )

    assert found.energy_j == 350


def test_what_the_driver_does_not_say_is_not_zero() -> None:
    """A MIG slice has no counter of energy and no utilisation of its own."""
    found = course(Look(seconds=0), Look(seconds=3, memory_bytes=GIB))

    assert (found.mean_percent, found.peak_percent, found.energy_j) == (None, None, None)
    assert (found.memory_bytes, found.seconds, found.idle_s) == (GIB, 3, 0)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.01, 5000)), min_size=1, max_size=60))
def test_a_trace_keeps_the_mean_in_a_bounded_number_of_steps(
    looks: list[tuple[float, float]],
) -> None:
    """However long it gets: its steps grow, their number does not."""
    trace = Trace()
    for percent, seconds in looks:
        trace = trace.after(percent, seconds)

    whole = len(trace.percents) - (trace.filled_s > 0)
    area = sum(trace.percents[:whole]) * trace.step_s
    area += trace.percents[-1] * trace.filled_s if trace.filled_s else 0.0
    assert len(trace.percents) <= 64
    assert area == pytest.approx(sum(percent * seconds for percent, seconds in looks), rel=1e-6)


def test_the_page_shows_what_each_device_was_used_for() -> None:
    """A row for each, and a bar for each step of time."""
    device = DeviceRecord(
        uuid="GPU-00",
        name="NVIDIA H100",
        memory_bytes=80 * GIB,
        capability=(9, 0),
        profile=None,
        share=0.5,
        held_bytes=40 * GIB,
        by="mps",
        co_tenants=1,
    )
    hardware = Hardware(
        machine="node",
        driver="580.95.05",
        cuda="13.0",
        devices=(device,),
        cpu_count=0,
        cpus="",
        memory_bytes=0,
        memory="",
    )
    used = course(
        Look(seconds=0, busy_percent=0, counter_j=0, memory_bytes=2 * GIB),
        Look(seconds=20, busy_percent=100, counter_j=9000, memory_bytes=30 * GIB, share=0.5),
    )

    page = report(hardware, {"GPU-00": used})

    assert (
        "| 50% of NVIDIA H100 `GPU-00` | 100 % mean, 100 % peak | 30 GiB of 40 GiB | 4,500 J "
        "| 0 s of 20 s | at most 1 others |"
    ) in page
    assert "`██` busy, each bar 10 s" in page


def test_a_version_is_found_by_the_hardware_that_it_was_trained_on() -> None:
    """MLflow's tag names devices and versions; a training without a lease has none."""
    made = candidate(1)
    given = {"evaluation": made.evaluation, "cause": made.cause, "as_of": made.as_of}
    device = DeviceRecord(
        uuid="GPU-00",
        name="NVIDIA H100",
        memory_bytes=80 * GIB,
        capability=(9, 0),
        profile=None,
        share=1,
        held_bytes=80 * GIB,
        by="alone",
    )
    hardware = Hardware(
        machine="node",
        driver="580.95.05",
        cuda="13.0",
        cudnn="91002",
        devices=(device, device.model_copy(update={"uuid": "GPU-01"})),
        cpu_count=8,
        cpus="cpuset",
        memory_bytes=0,
        memory="",
    )
    on_gpus = made.fitted.model_copy(update={"hardware": hardware})

    found = tags(Request.model_validate({"fitted": on_gpus, **given}), "c" * 40, "l" * 64)
    none = tags(Request.model_validate({"fitted": made.fitted, **given}), "c" * 40, "l" * 64)

    assert found["perennial.hardware"] == (
        "2 x NVIDIA H100, driver 580.95.05, CUDA 13.0, cuDNN 91002"
    )
    assert "perennial.hardware" not in none
