"""What a run asks of a machine: GPUs, cores, memory, for how long and how urgently.

The one language of requests: ``training.resources`` of a ``model.yaml`` and the job variables of a
``gpu-process`` work pool are both read by it.
"""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(KiB|MiB|GiB|TiB)")
_FACTOR = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def parse_size(text: object) -> object:
    """Bytes of a size with its unit; numbers pass through.

    >>> parse_size("1.5GiB")
    1610612736
    """
    if not isinstance(text, str):
        return text
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size; write it with its unit, as in 12GiB or 512MiB")
    return int(Decimal(match[1]) * _FACTOR[match[2]])


Bytes = Annotated[
    int,
    BeforeValidator(parse_size, json_schema_input_type=int | str),
    Field(gt=0, le=2**60),
]
"""A size in bytes, declared with its unit: ``12GiB``."""

Share = Annotated[float, Field(gt=0, lt=1)]
Enforcement = Literal["mig", "mps", "torch", "advisory"]
"""What holds a run to its part of a device, strongest first.

``mig`` is hardware, ``mps`` the driver's limit, ``torch`` the cap that the framework keeps of
itself, ``advisory`` a promise that nobody enforces.
"""

_MOST_GPUS = 2**16
_LEAST_PART = 0.01
_DURATION = {"anyOf": [{"type": "string"}, {"type": "number"}]}
_PROFILE = re.compile(r"mig:(?P<profile>\d+c?\.?\d*g?\.\d+gb(?:\+[a-z.]+)?)")
_CAPABILITY = re.compile(r"(\d{1,4})\.(\d{1,4})")


def _count(asked: object) -> object:
    """Whole devices as int, a part of one as float, a MIG profile as text.

    A number that YAML or a form hands over as text is still a number.
    """
    if isinstance(asked, bool):
        asked = str(asked)
    if isinstance(asked, str):
        text = asked.strip().lower()
        if text.startswith("mig:"):
            if not _PROFILE.fullmatch(text):
                raise ValueError(f"{asked!r} is no MIG profile; write it as in mig:1g.10gb")
            return text
        try:
            asked = float(text)
        except ValueError:
            message = f"{asked!r} is no number of GPUs; write 0, 1, 0.25 or mig:1g.10gb"
            raise ValueError(message) from None
    if isinstance(asked, int | float):
        return _checked(asked)
    return asked


def _checked(asked: float) -> int | float:
    if not 0 <= asked <= _MOST_GPUS:
        raise ValueError(f"{asked!s:.20} GPUs cannot be had; write 0, 1, 0.25 or mig:1g.10gb")
    number = float(asked)
    if 0 < number < _LEAST_PART:
        raise ValueError(f"{number:g} of a GPU is too little; {_LEAST_PART} is the least part")
    if number > 1 and not number.is_integer():
        raise ValueError(
            f"{number:g} GPUs are neither whole devices nor a part of one; "
            "ask for whole ones, or for less than one"
        )
    return int(number) if number.is_integer() else number


def _capability(text: object) -> object:
    """Major and minor of a compute capability, as in ``8.0``.

    >>> _capability("9.0")
    (9, 0)
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        text = f"{text}.0" if isinstance(text, int) else f"{text:.1f}"
    if not isinstance(text, str):
        return text
    match = _CAPABILITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no compute capability; write it as in 8.0")
    return int(match[1]), int(match[2])


def _dotted(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"


class GpuRequest(BaseModel):
    """GPUs of a run: none, whole ones, a part of one, or a MIG slice.

    Whole devices are the run's alone unless ``exclusive`` says otherwise; a part of one is shared
    by its nature, and held to by the strongest means that the device offers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpus: Annotated[
        int | float | str,
        BeforeValidator(_count, json_schema_input_type=int | float | str),
        Field(description="Whole devices (2), a part of one (0.25), or a slice (mig:1g.10gb)."),
    ] = 0
    gpu_memory: Bytes | None = Field(None, description="Memory on each device, as in 12GiB.")
    gpu_model: str | None = Field(
        None, min_length=1, description="A part of the device's name, as in H100."
    )
    compute_capability: (
        Annotated[
            tuple[int, int],
            BeforeValidator(_capability, json_schema_input_type=str | float),
            PlainSerializer(_dotted, return_type=str, when_used="json"),
        ]
        | None
    ) = Field(None, description="The least that will do, as in 8.0.")
    exclusive: bool | None = Field(
        None, description="Nobody else on the devices; by default true of whole ones."
    )
    accept_advisory: bool = Field(
        False, description="A part of a device will do even where nothing enforces it."
    )

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        wishes = {
            "gpu_memory": self.gpu_memory,
            "gpu_model": self.gpu_model,
            "compute_capability": self.compute_capability,
            "exclusive": self.exclusive,
        }
        if self.gpus == 0 and (named := [name for name, wish in wishes.items() if wish]):
            raise ValueError(f"{', '.join(named)} is asked of no GPU; set gpus as well")
        if (self.fraction or self.profile) and self.exclusive:
            raise ValueError(f"gpus: {self.gpus} is a part of a device and cannot be exclusive")
        if self.exclusive is False and self.whole and not self.gpu_memory:
            raise ValueError("a whole device can be shared only by memory; set gpu_memory as well")
        return self

    @property
    def whole(self) -> int:
        """How many whole devices; 0 for parts and slices."""
        return self.gpus if isinstance(self.gpus, int) else 0

    @property
    def fraction(self) -> float | None:
        """The part of one device, above 0 and below 1."""
        return self.gpus if isinstance(self.gpus, float) else None

    @property
    def profile(self) -> str | None:
        """The MIG profile, as the driver names it: ``1g.10gb``."""
        return self.gpus.removeprefix("mig:") if isinstance(self.gpus, str) else None

    @property
    def alone(self) -> bool:
        """Whether nobody else may be on the devices."""
        return self.whole > 0 and self.exclusive is not False


class RunRequest(GpuRequest):
    """All that a run asks of a machine; what a worker grants, and enforces.

    Cores and memory that are not asked for are not reserved and not limited: the run shares what
    there is with the others, as a stock process worker's runs do.
    """

    cpus: int = Field(
        0,
        ge=0,
        le=2**16,
        description="Cores of its own; with 0 it shares those that nobody has leased.",
    )
    memory: Bytes | None = Field(
        None, description="Memory of the whole run, as in 8GiB; left out, none is kept for it."
    )
    max_runtime: (
        Annotated[
            timedelta, Field(gt=timedelta(0), le=timedelta(days=3650)), WithJsonSchema(_DURATION)
        ]
        | None
    ) = Field(
        None,
        description="The run is ended when it has passed; until then it may pass others that wait. "
        "As in PT2H; ten years at most.",
    )
    priority: int = Field(0, ge=-100, le=100, description="Larger ones come first.")
    checkpoint_grace: Annotated[
        timedelta, Field(ge=timedelta(0), le=timedelta(days=1)), WithJsonSchema(_DURATION)
    ] = Field(
        timedelta(seconds=30),
        description="When a device fails, the run gets SIGUSR1 and so much time to save its work "
        "before it is ended and placed elsewhere. As in PT5M; a day at most.",
    )

    @property
    def needs(self) -> tuple[object, ...]:
        """What decides whether it fits a machine: all but how long and how urgently."""
        return (
            *(self.gpus, self.gpu_memory, self.gpu_model, self.compute_capability),
            *(self.exclusive, self.accept_advisory, self.cpus, self.memory),
        )


class TrainingRequest(RunRequest):
    """What a training asks: cores and memory are always named, for its workers are cut to them."""

    cpus: int = Field(1, ge=1, description="Cores; the number of Dask workers of one thread.")
    memory: Bytes = Field(2 * 2**30, description="Memory of the whole run.", validate_default=True)
