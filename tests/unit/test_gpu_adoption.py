"""What is said of a run whose worker is gone, and what others could give it: values alone."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prefect.client.schemas.objects import State, StateType

from infra.gpu.adoption import conclusion
from infra.gpu.leases import Lease
from infra.gpu.machine import held
from infra.gpu.offers import Offer
from infra.gpu.placement import Grant
from infra.resources import RunRequest
from tests.support.machines import gpu, machine, mig_slice


@pytest.mark.parametrize(
    ("state", "began", "becomes"),
    [
        (StateType.RUNNING, True, StateType.CRASHED),
        (StateType.PENDING, True, StateType.CRASHED),
        (StateType.PENDING, False, StateType.SCHEDULED),
        (StateType.CANCELLING, True, StateType.CANCELLED),
        (StateType.COMPLETED, True, None),
        (StateType.FAILED, True, None),
        (StateType.PAUSED, True, None),
        (StateType.SCHEDULED, True, None),
    ],
)
def test_only_a_state_that_is_not_true_any_more_is_changed(
    state: StateType, *, began: bool, becomes: StateType | None
) -> None:
    """A run that ended, waits or is suspended is as it says, whoever has looked after it."""
    found = conclusion(State(type=state), began=began, why="Its process ended.")

    assert (found.type if found else None) == becomes


@pytest.mark.parametrize("off", [timedelta(days=-400), timedelta(0), timedelta(days=400)])
def test_what_a_lease_keeps_from_others_does_not_hang_on_the_clock(off: timedelta) -> None:
    """A clock that jumped since the lease was given neither frees nor keeps its device."""
    now = datetime.now(UTC)
    request = RunRequest(gpus=1, max_runtime=timedelta(hours=1))
    lease = Lease(
        id=1,
        run=UUID(int=1),
        worker="api/pool/left",
        request=request,
        grant=Grant(cpus=0, memory_bytes=0),
        since=now + off,
    )

    assert held(lease, now).until == now + timedelta(hours=1)


@pytest.mark.parametrize(
    ("wishes", "lacks"),
    [
        ({"gpus": 2}, ""),
        ({"gpus": 3}, "3 GPUs are asked for; 2 of 3 suit"),
        ({"gpus": "mig:1g.10gb"}, ""),
        ({"gpus": 1, "gpu_model": "A100"}, "is no A100"),
        ({"cpus": 65}, "65 cores are asked for; there are 64"),
    ],
)
def test_an_offer_says_what_its_machine_would_say_if_it_were_empty(
    wishes: dict[str, object], lacks: str
) -> None:
    """So that a machine can answer for another that it has only heard of."""
    there = machine(gpu(0), gpu(1), mig_slice(2, 0))

    told = Offer.model_validate_json(Offer.of(there).model_dump_json())
    said = told.lacks(RunRequest.model_validate(wishes))

    assert lacks in said
    assert bool(said) == bool(lacks)


def test_an_offer_of_hundreds_of_devices_fits_a_variable_of_prefect() -> None:
    """Prefect keeps five thousand characters; devices of one kind are counted."""
    there = machine(*(mig_slice(parent, place) for parent in range(16) for place in range(7)))

    assert len(Offer.of(there).model_dump_json()) < 1000
