"""A device put to the test by a process of its own: ``python -m infra.gpu.probe UUID``.

It prints one line of JSON, and ends with 0 where the device passed, 1 where it failed and 3 where
nothing can be said of it. It never resets a device.
"""

import os
import sys
from importlib.util import find_spec
from typing import Literal

from pydantic import BaseModel, ConfigDict

from infra.gpu.cuda_memory import DeviceMemory, FaultError, UnableError

Verdict = Literal["passed", "failed", "unable"]

_CODES: dict[Verdict, int] = {"passed": 0, "failed": 1, "unable": 3}


class Result(BaseModel):
    """What a probe found, and in words what it did."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    said: str


def probe(device: str) -> Result:
    """Test a device; nothing else of the machine is visible to this process from now on."""
    os.environ["CUDA_VISIBLE_DEVICES"] = device
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    try:
        return Result(verdict="passed", said=_tried())
    except UnableError as error:
        return Result(verdict="unable", said=f"the probe cannot run: {error}")
    except FaultError as error:
        return Result(verdict="failed", said=f"the probe failed: {error}")


def _tried() -> str:
    if find_spec("torch") is not None:
        from infra.gpu.torch_trial import try_out

        try:
            return try_out()
        except UnableError:  # a torch without CUDA; the memory can be tested without it
            pass
    tested = DeviceMemory().test()
    return f"{tested / 2**30:.4g} GiB of memory were right (no torch with CUDA to multiply with)"


def main(arguments: list[str]) -> int:
    """Probe the device that is named, and print what was found."""
    result = probe(arguments[0])
    print(result.model_dump_json())  # noqa: T201 - the answer
    return _CODES[result.verdict]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
