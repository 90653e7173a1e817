"""A device's memory, written and read through CUDA's own library: what needs no framework."""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np

PATTERNS: Final = (0x00000000, 0xFFFFFFFF, 0x55555555, 0xAAAAAAAA)
"""Each bit is once 0 and once 1, beside neighbours that are equal and that differ.

Source:
    van de Goor, Testing Semiconductor Memories (1991): solid and checkerboard backgrounds.
"""

SHARE = 0.9
"""So much of the free memory is tested; the rest is left to whoever comes meanwhile."""

_LIBRARY = "libcuda.so.1"
_PIECE: Final = 256 * 2**20
_LEAST: Final = 2**20
"""CUDA hands out memory by pages of 2 MiB; less than half of one is not worth a piece."""

_WINDOW: Final = 16 * 2**20
_WORD: Final = 4
_OUT_OF_MEMORY: Final = 2


class UnableError(Exception):
    """Nothing can be said of the device: the message says what of CUDA is missing."""


class FaultError(Exception):
    """The device failed: the message says at what."""


class DeviceMemory:
    """The memory of the one device that this process sees."""

    def __init__(self) -> None:
        """Open CUDA and make a context.

        Raises:
            UnableError: there is no library, or it offers no device.
            FaultError: the device takes no context.
        """
        try:
            self._cuda = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise UnableError(f"CUDA's library cannot be loaded: {error}") from error
        device, self._context = ctypes.c_int(), ctypes.c_void_p()
        for function, arguments in (
            ("cuInit", (0,)),
            ("cuDeviceGet", (ctypes.byref(device), 0)),
        ):
            if code := self._call(function, *arguments):
                raise UnableError(f"CUDA offers no device: {function} answers {code}")
        self._must("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)
        self._must("cuCtxSetCurrent", self._context)

    def test(self) -> int:
        """Write patterns over most of the free memory and read them back.

        Returns:
            How many bytes were tested.

        Raises:
            FaultError: what was read is not what was written, or the device failed meanwhile.
            UnableError: it has no memory to test.
        """
        with self._taken() as pieces:
            for pattern in PATTERNS:
                for number, (address, size) in enumerate(pieces):
                    self._must(
                        "cuMemsetD32_v2",
                        address,
                        ctypes.c_uint32(_word(pattern, number)),
                        ctypes.c_size_t(size // _WORD),
                    )
                for number, (address, size) in enumerate(pieces):
                    self._compare(address, size, _word(pattern, number))
            return sum(size for _, size in pieces)

    @contextmanager
    def _taken(self) -> Iterator[Sequence[tuple[ctypes.c_uint64, int]]]:
        """Most of the free memory, in pieces; given back at the end."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._must("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        wanted, pieces = int(free.value * SHARE), list[tuple[ctypes.c_uint64, int]]()
        size = _PIECE
        try:
            while wanted >= _LEAST and size >= _LEAST:
                address, size = ctypes.c_uint64(), min(size, wanted) // _WORD * _WORD
                code = self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
                if code == _OUT_OF_MEMORY:  # in pieces: a smaller one may fit still
                    size //= 2
                    continue
                if code:
                    raise FaultError(f"cuMemAlloc_v2 answers {code}")
                pieces.append((address, size))
                wanted -= size
            if not pieces:
                raise UnableError(f"{free.value} bytes of its memory are free: nothing to test")
            yield pieces
        finally:
            for address, _ in pieces:
                self._call("cuMemFree_v2", address)

    def _compare(self, address: ctypes.c_uint64, size: int, word: int) -> None:
        window = np.empty(min(size, _WINDOW) // _WORD, dtype=np.uint32)
        for offset in range(0, size, _WINDOW):
            part = min(_WINDOW, size - offset)
            place = ctypes.c_uint64(address.value + offset)
            self._must(
                "cuMemcpyDtoH_v2", ctypes.c_void_p(window.ctypes.data), place, ctypes.c_size_t(part)
            )
            wrong = np.flatnonzero(window[: part // _WORD] != word)
            if wrong.size:
                read = int(window[wrong[0]])
                raise FaultError(
                    f"its memory read {read:#010x} where {word:#010x} was written "
                    f"({wrong.size} words of {part // 2**20} MiB)"
                )

    def _must(self, function: str, *arguments: object) -> None:
        if code := self._call(function, *arguments):
            raise FaultError(f"{function} answers {code}")

    def _call(self, function: str, *arguments: object) -> int:
        try:
            return int(getattr(self._cuda, function)(*arguments))
        except AttributeError as error:
            raise UnableError(f"CUDA's library has no {function}") from error


def _word(pattern: int, number: int) -> int:
    """What a piece is filled with: pieces differ, so that two at one address would be seen."""
    return pattern ^ number
