"""The UUIDs that CUDA gives a process, as JSON: ``python -I -S looking.py libcuda.so.1``.

A program of its own that imports nothing of ours: it must start in a moment.
"""

import json
import sys
from ctypes import CDLL, byref, c_int, create_string_buffer
from uuid import UUID

_NO_DEVICE = 100
"""CUDA_ERROR_NO_DEVICE. Source: cuda.h, CUresult."""


def main() -> None:
    """Print what the driver's library shows."""
    cuda = CDLL(sys.argv[1])
    code = cuda.cuInit(0)
    if code == _NO_DEVICE:
        print("[]")  # noqa: T201 - the answer
        return
    _called("cuInit", code)
    count = c_int()
    _called("cuDeviceGetCount", cuda.cuDeviceGetCount(byref(count)))
    ask = cuda.cuDeviceGetUuid_v2 if hasattr(cuda, "cuDeviceGetUuid_v2") else cuda.cuDeviceGetUuid
    found = []
    for place in range(count.value):
        device, uuid = c_int(), create_string_buffer(16)
        _called("cuDeviceGet", cuda.cuDeviceGet(byref(device), place))
        _called("cuDeviceGetUuid", ask(uuid, device))
        found.append(f"GPU-{UUID(bytes=uuid.raw)}")
    print(json.dumps(found))  # noqa: T201 - the answer


def _called(function: str, code: int) -> None:
    if code:
        sys.exit(f"{function} answers {code}.")


if __name__ == "__main__":
    main()
