"""What a run asks of the hardware."""

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

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
    return int(float(match[1]) * _FACTOR[match[2]])


Bytes = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
"""A size in bytes, declared with its unit: ``12GiB``."""


class ResourceRequest(BaseModel):
    """Cores and memory of a run; what a worker grants and a cluster is cut to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus: int = Field(1, ge=1, description="Cores; the number of Dask workers of one thread.")
    memory: Bytes = Field(2 * 2**30, description="Memory of the whole run.", validate_default=True)
