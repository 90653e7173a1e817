"""What becomes of a run whose device failed: pure, by the state that it came to."""

import pytest
from prefect.client.schemas.objects import State
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Running,
)

from infra.gpu.moving import MOST, MOVED, successor

WHY = "GPU GPU-00: XID 79"


@pytest.mark.parametrize(
    "state", [Running(), Failed(), Crashed(), AwaitingRetry()], ids=lambda each: each.name
)
def test_a_run_that_its_device_failed_waits_again(state: State[object]) -> None:
    """Whatever it came to by the fault; the state says which device, and how often."""
    found = successor(state, 1, WHY)

    assert found is not None
    assert (found.name, found.is_scheduled()) == (MOVED, True)
    assert found.message == f"{WHY}. It is placed again without that device (move 2 of 3)."


@pytest.mark.parametrize(
    "state", [Completed(), Cancelled(), Cancelling()], ids=lambda each: each.name
)
def test_a_run_that_ended_by_itself_or_was_cancelled_stays_so(state: State[object]) -> None:
    """It came to its end while it was asked to go."""
    assert successor(state, 0, WHY) is None


def test_a_run_that_was_moved_already_is_not_moved_twice() -> None:
    """The server took the state and its answer was lost: asked again, nothing is counted again."""
    once = successor(Running(), 0, WHY)

    assert once is not None
    assert successor(once, 1, WHY) is None


def test_a_run_that_meets_fault_after_fault_is_crashed() -> None:
    """It may be what breaks them; the page names the last."""
    found = successor(Running(), MOST, WHY)

    assert found is not None
    assert found.is_crashed()
    assert found.message == f"It was moved 3 times, and met another fault. {WHY}."
