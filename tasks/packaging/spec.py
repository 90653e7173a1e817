"""The ``serving`` section: how a version answers."""

from pydantic import Field

from tasks.sections import Section


class ServingSpec(Section):
    """The Bento of a version."""

    smoke_rows: int = Field(50, ge=1, description="Holdout rows that the built Bento must answer.")
    tolerance: float = Field(1e-9, ge=0, description="Largest difference from the offline answer.")
    max_batch_size: int = Field(256, ge=1)
    max_latency_ms: int = Field(5000, ge=1)
