"""The driver's library, NVML: opened, asked, and its errors sorted by what they mean for us.

The only module that imports NVIDIA's bindings, and only when a driver is looked for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ctypes import c_void_p, cast
from types import ModuleType
from typing import TypeVar

from infra.errors import BackendError

Answer = TypeVar("Answer")

_MISMATCH_HINT = (
    "The driver was updated while its old kernel module stayed loaded: restart the machine, or "
    "unload and load the module nvidia when nothing uses a GPU."
)
_HINT = "Run `nvidia-smi`: it asks the same library and shows what the driver says."


class NoDriverError(Exception):
    """An ordinary machine without GPUs: the message says what of a driver is missing."""


class DeviceFaultError(Exception):
    """The driver no longer reaches a device. The message is the driver's word."""


class Driver:
    """An open session with the driver.

    `call` asks for what must be there, `ask` for what an old driver or a small GPU may not know.
    What was asked in vain and should have been answered is kept in `troubles`.
    """

    def __init__(self) -> None:
        """Open a session.

        Raises:
            NoDriverError: there is no library, no kernel module, or not one GPU.
            BackendError: there is a driver, and it fails.
        """
        import pynvml

        self.nvml: ModuleType = pynvml
        self.troubles: list[str] = []
        self._events: object | None = None
        self._watched: dict[int, str] = {}
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            if error.value in _absent(pynvml):
                raise NoDriverError(str(error)) from error
            raise _failed("nvmlInit", error, pynvml) from error

    def close(self) -> None:
        """End the session; a driver that has gone meanwhile has ended it already."""
        with suppress(self.nvml.NVMLError):
            if self._events is not None:
                self.nvml.nvmlEventSetFree(self._events)
        self._events = None
        with suppress(self.nvml.NVMLError):
            self.nvml.nvmlShutdown()

    def call(self, function: Callable[..., Answer], *arguments: object) -> Answer:
        """What a function answers.

        Raises:
            DeviceFaultError: the device it is asked of is out of reach.
            BackendError: the driver fails otherwise.
        """
        try:
            return function(*arguments)
        except self.nvml.NVMLError as error:
            if error.value in _faults(self.nvml):
                raise DeviceFaultError(str(error)) from error
            raise _failed(function.__name__, error, self.nvml) from error

    def ask(self, whom: str, function: Callable[..., Answer], *arguments: object) -> Answer | None:
        """What a function answers, None where the driver or the device does not know it.

        Any other error is unknown too, but told in `troubles`, with `whom` it was asked of.

        Raises:
            DeviceFaultError: the device it is asked of is out of reach.
        """
        with self._told(f"{whom}: {function.__name__}"):
            return function(*arguments)
        return None

    def watch(self, handle: object, uuid: str) -> None:
        """Keep the XIDs that a GPU reports from now on, for `xids`."""
        wanted = self.nvml.nvmlEventTypeXidCriticalError
        known = self.ask(uuid, self.nvml.nvmlDeviceGetSupportedEventTypes, handle) or 0
        if not known & wanted:
            return
        if self._events is None:
            self._events = self.ask(uuid, self.nvml.nvmlEventSetCreate)
        if self._events is None:
            return
        self.ask(uuid, self.nvml.nvmlDeviceRegisterEvents, handle, wanted, self._events)
        self._watched[_address(handle)] = uuid

    def xids(self) -> Iterator[tuple[str, int]]:
        """UUID and number of each XID since the last call, the oldest first."""
        while self._events is not None:
            try:
                # One millisecond: what has happened is there at once, and 0 is not documented.
                event = self.nvml.nvmlEventSetWait(self._events, 1)
            except self.nvml.NVMLError as error:
                if error.value not in {self.nvml.NVML_ERROR_TIMEOUT, *_faults(self.nvml)}:
                    self.troubles.append(f"nvmlEventSetWait: {error}")
                return
            uuid = self._watched.get(_address(event.device))
            if uuid is not None:
                yield uuid, int(event.eventData)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except self.nvml.NVMLError as error:
            if error.value in _faults(self.nvml):
                raise DeviceFaultError(str(error)) from error
            if error.value not in _unknown(self.nvml):
                self.troubles.append(f"{what} failed: {error}")


def _absent(nvml: ModuleType) -> set[int]:
    """Codes of a machine that has no GPUs to offer."""
    return {
        nvml.NVML_ERROR_LIBRARY_NOT_FOUND,
        nvml.NVML_ERROR_DRIVER_NOT_LOADED,
        nvml.NVML_ERROR_GPU_NOT_FOUND,
    }


def _faults(nvml: ModuleType) -> set[int]:
    """Codes of a device that nothing can be asked of any more."""
    return {nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED}


def _unknown(nvml: ModuleType) -> set[int]:
    """Codes of a question that the driver or the device does not know the answer to."""
    return {
        nvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        nvml.NVML_ERROR_NOT_SUPPORTED,
        nvml.NVML_ERROR_NO_DATA,
        nvml.NVML_ERROR_NO_PERMISSION,
        nvml.NVML_ERROR_NOT_FOUND,
        nvml.NVML_ERROR_INVALID_ARGUMENT,
        nvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
        nvml.NVML_ERROR_DEPRECATED,
    }


def _failed(function: str, error: Exception, nvml: ModuleType) -> BackendError:
    code = getattr(error, "value", None)
    mismatch = code == nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
    return BackendError(
        f"The NVIDIA driver failed at {function}: {error}.",
        hint=_MISMATCH_HINT if mismatch else _HINT,
        function=function,
        code=code,
    )


def _address(handle: object) -> int:
    """Which device a handle is of: handles of one device are equal by address alone."""
    return cast(handle, c_void_p).value or 0  # type: ignore[arg-type] # a pointer of the bindings
