"""The ``verify`` section: what `perennial verify` holds a model to."""

from enum import StrEnum
from typing import Final, Self

from pydantic import Field, model_validator

from tasks.sections import Section


class ShiftKind(StrEnum):
    """A shift that is injected: four of the world, four of the feed, three of the predictions."""

    MEAN = "mean"
    VARIANCE = "variance"
    SEGMENT = "segment"
    FLIP = "flip"
    SWAP = "swap"
    UNIT = "unit"
    MISSING = "missing"
    SILENCE = "silence"
    UNSCORED = "unscored"
    LATE = "late"
    OUTAGE = "outage"

    @property
    def of_feed(self) -> bool:
        """Whether the feed broke."""
        return self in {ShiftKind.SWAP, ShiftKind.UNIT, ShiftKind.MISSING, ShiftKind.SILENCE}

    @property
    def of_predictions(self) -> bool:
        """Whether rows came as ever, and their predictions did not."""
        return self in {ShiftKind.UNSCORED, ShiftKind.LATE, ShiftKind.OUTAGE}

    @property
    def of_world(self) -> bool:
        """Whether the world moved: the only reason for which a training may start."""
        return not (self.of_feed or self.of_predictions)


SIZES: Final[dict[ShiftKind, tuple[float, ...]]] = {
    ShiftKind.MEAN: (0.1, 0.25, 0.5, 1.0, 2.0),
    ShiftKind.VARIANCE: (1.1, 1.25, 1.5, 2.0, 3.0),
    ShiftKind.SEGMENT: (0.02, 0.05, 0.1, 0.25, 0.5),
    ShiftKind.FLIP: (0.01, 0.025, 0.05, 0.1, 0.25),
    ShiftKind.SWAP: (0.05, 0.1, 0.25, 0.5, 1.0),
    ShiftKind.UNIT: (0.05, 0.1, 0.25, 0.5, 1.0),
    ShiftKind.MISSING: (0.05, 0.1, 0.25, 0.5, 1.0),
    ShiftKind.SILENCE: (0.05, 0.1, 0.25, 0.5, 1.0),
    ShiftKind.UNSCORED: (0.01, 0.1, 1.0),
    ShiftKind.LATE: (0.01, 0.1, 1.0),
    ShiftKind.OUTAGE: (0.01, 0.1, 1.0),
}
"""Sizes from small to gross, which is the last.

Of a mean in standard deviations, of a variance the factor of the standard deviation, of the others
the share of the rows.
"""


class ContinuousSpec(Section):
    """When `perennial verify continuous` passes.

    Known shifts are injected into a shadow of the model's own data. Its windows are dealt anew from
    the rows of all of them, so that there is no season in them; the last size of each kind is the
    gross one. A fault of the feed or of the predictions that leads to a training fails, whatever
    its size.
    """

    max_false_alarms: float = Field(
        1.0, ge=0, description="Alarms a year on windows without a shift, at most."
    )
    max_delay: int = Field(
        1, ge=1, description="Windows within which each gross shift is seen, in every repetition."
    )
    repetitions: int = Field(
        5, ge=1, le=50, description="Shadows, each of other rows with a champion of its own."
    )
    windows: int = Field(3, ge=1, le=60, description="Windows for which a shift goes on.")
    seed: int = 20130101
    steady: bool = Field(
        default=False,
        description="In the data as they came nothing moves: none of their windows may alarm.",
    )
    retrains: tuple[ShiftKind, ...] = Field(
        (ShiftKind.FLIP,), description="Kinds whose gross shift must lead to a training."
    )
    unit: float = Field(1.609344, gt=0, description="Factor of the unit change: miles to km.")
    without: tuple[ShiftKind, ...] = Field((), description="Kinds that are left out.")
    sizes: dict[ShiftKind, tuple[float, ...]] = Field(
        default_factory=dict, description="Sizes in place of the usual ones, small to gross."
    )

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        for kind, sizes in self.sizes.items():
            if not sizes or list(sizes) != sorted(set(sizes)) or sizes[0] <= 0:
                raise ValueError(f"the sizes of {kind} must be above zero and grow")
            if kind not in {ShiftKind.MEAN, ShiftKind.VARIANCE} and sizes[-1] > 1:
                raise ValueError(f"the sizes of {kind} are shares of the rows: 1 at most")
        both = [kind.value for kind in self.retrains if kind in self.without]
        if both:
            raise ValueError(f"{both[0]} is left out, but must lead to a training")
        wrong = [kind for kind in self.retrains if not kind.of_world]
        if wrong:
            what = "feed" if wrong[0].of_feed else "predictions"
            raise ValueError(f"{wrong[0]} is a fault of the {what}, which no training may follow")
        if not self.kinds:
            raise ValueError("every kind is left out: nothing would be put to the test")
        return self

    @property
    def kinds(self) -> dict[ShiftKind, tuple[float, ...]]:
        """The kinds that are injected, with their sizes."""
        left = [kind for kind in ShiftKind if kind not in self.without]
        return {kind: self.sizes.get(kind, SIZES[kind]) for kind in left}


class VerifySpec(Section):
    """What `perennial verify` holds the model to."""

    continuous: ContinuousSpec = ContinuousSpec()
