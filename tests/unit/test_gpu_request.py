"""What a run may ask of GPUs, and what it is told when it asks for nonsense."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from infra.resources import RunRequest


def asked(**wishes: object) -> RunRequest:
    """A request as YAML or a form gives it."""
    return RunRequest.model_validate(wishes)


def test_a_run_that_asks_for_nothing_gets_no_gpu() -> None:
    """Zero means none, not all."""
    request = asked()

    assert (request.gpus, request.whole, request.fraction, request.profile) == (0, 0, None, None)


@pytest.mark.parametrize(
    ("wish", "whole", "fraction", "profile"),
    [
        (2, 2, None, None),
        ("2", 2, None, None),
        (1.0, 1, None, None),
        (0.25, 0, 0.25, None),
        ("0.25", 0, 0.25, None),
        ("mig:1g.10gb", 0, None, "1g.10gb"),
        ("MIG:3g.40gb", 0, None, "3g.40gb"),
        ("mig:1c.3g.40gb", 0, None, "1c.3g.40gb"),
        ("mig:1g.10gb+me", 0, None, "1g.10gb+me"),
    ],
)
def test_devices_parts_and_slices_are_told_apart(
    wish: object, whole: int, fraction: float | None, profile: str | None
) -> None:
    """A form of Prefect's gives text where YAML gives numbers."""
    request = asked(gpus=wish)

    assert (request.whole, request.fraction, request.profile) == (whole, fraction, profile)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"gpus": -1}, "-1 GPUs cannot be had"),
        ({"gpus": "nan"}, "nan GPUs cannot be had"),
        ({"gpus": "inf"}, "inf GPUs cannot be had"),
        ({"gpus": 1.5}, "neither whole devices nor a part of one"),
        ({"gpus": True}, "is no number of GPUs"),
        ({"gpus": "all"}, "'all' is no number of GPUs"),
        ({"gpus": "0.3 of mig"}, "is no number of GPUs"),
        ({"gpus": "mig:0.3"}, "is no MIG profile"),
        ({"gpus": "mig:"}, "is no MIG profile"),
        ({"gpus": [1]}, "gpus"),
        ({"gpus": 1, "gpu_memory": "lots"}, "'lots' is no size"),
        ({"gpus": 1, "gpu_memory": "0GiB"}, "greater than 0"),
        ({"gpus": 1, "compute_capability": "new"}, "is no compute capability"),
        ({"gpu_memory": "12GiB"}, "gpu_memory is asked of no GPU"),
        ({"gpu_model": "H100", "exclusive": True}, "gpu_model, exclusive is asked of no GPU"),
        ({"gpus": 0.5, "exclusive": True}, "cannot be exclusive"),
        ({"gpus": "mig:1g.10gb", "exclusive": True}, "cannot be exclusive"),
        ({"gpus": 1, "exclusive": False}, "set gpu_memory as well"),
        ({"gpus": 1, "max_runtime": "PT0S"}, "greater than 0"),
        ({"cpus": -1}, "greater than or equal to 0"),
        ({"gpus": 1e-12}, "1e-12 of a GPU is too little; 0.01 is the least part"),
        ({"gpus": 1e300}, "1e+300 GPUs cannot be had"),
        ({"gpus": 10**400}, "10000000000000000000 GPUs cannot be had"),
        ({"gpus": "9" * 400}, "inf GPUs cannot be had"),
        ({"gpus": 1, "gpu_memory": "9" * 400 + "TiB"}, "less than or equal to"),
        ({"memory": 10**400}, "memory"),
        ({"cpus": 10**400}, "less than or equal to"),
        ({"gpus": 1, "compute_capability": 10**400}, "compute_capability"),
        ({"max_runtime": "P9999999D"}, "less than or equal to 3650 days"),
        ({"max_runtime": 10**400}, "max_runtime"),
        ({"checkpoint_grace": "P2D"}, "less than or equal to 1 day"),
        ({"gpu": 1}, "Extra inputs are not permitted"),
    ],
)
def test_nonsense_is_refused_with_the_reason(wishes: dict[str, object], said: str) -> None:
    """A request that contradicts itself is wrong before any machine is looked at."""
    with pytest.raises(ValidationError) as refused:
        asked(**wishes)

    assert said in str(refused.value)


def test_a_request_is_read_with_its_units() -> None:
    """As a declaration writes it."""
    request = asked(
        gpus=1,
        gpu_memory="12GiB",
        gpu_model="H100",
        compute_capability="9.0",
        cpus=4,
        memory="32GiB",
        max_runtime="PT30M",
        priority=5,
    )

    assert request.gpu_memory == 12 * 2**30
    assert request.compute_capability == (9, 0)
    assert request.max_runtime == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("wishes", "alone"),
    [
        ({"gpus": 1}, True),
        ({"gpus": 1, "exclusive": False, "gpu_memory": "1GiB"}, False),
        ({"gpus": 0.5}, False),
        ({}, False),
    ],
)
def test_whole_devices_are_the_runs_alone_unless_it_says_otherwise(
    wishes: dict[str, object], alone: bool
) -> None:
    """The safe reading of a short request."""
    assert asked(**wishes).alone is alone
