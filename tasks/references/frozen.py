"""What every reference is."""

from pydantic import BaseModel, ConfigDict


class Reference(BaseModel):
    """A frozen value; a field that nobody declared is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
