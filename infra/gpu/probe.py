"""A device put to the test by a process of its own: ``python -m infra.gpu.probe UUID...``.

It prints one line of JSON, and ends with 0 where the device passed, 1 where it failed and 3 where
nothing can be said of it. A GPU that is cut is named by all of its slices. Nothing is ever reset.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

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


def probe_all(slices: Sequence[str]) -> Result:
    """Test slices one after the other; the first that does not pass is the answer.

    Each has a process of its own: CUDA shows no process more than one.
    """
    said = ""
    for each in slices:
        done = subprocess.run(
            [sys.executable, "-m", "infra.gpu.probe", each],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        found = read(done.stdout, done.returncode)
        if found.verdict != "passed":
            return Result(verdict=found.verdict, said=f"slice {each}: {found.said}")
        said = found.said
    return Result(verdict="passed", said=f"each of {len(slices)} slices passed, the last: {said}")


def read(output: str, code: int) -> Result:
    """What a probe's process has found, by what it printed and what it ended with."""
    with suppress(ValidationError):
        return Result.model_validate_json(output)
    return Result(verdict="failed", said=f"the probe ended with {code} and no answer")


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
    """Probe the device that is named, or the slices, and print what was found."""
    result = probe(arguments[0]) if len(arguments) == 1 else probe_all(arguments)
    print(result.model_dump_json())  # noqa: T201 - the answer
    return _CODES[result.verdict]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
