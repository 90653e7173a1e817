"""The ``monitoring`` section: what is watched and what follows."""

from datetime import timedelta
from typing import Final, Self

from pydantic import Field, model_validator

from tasks.sections import Section

OUTCOMES: Final = ("true_positive", "false_positive", "false_negative", "true_negative")
OF_NUMBERS: Final = "per_unit_of_error"
"""What has a value: of a binary label and of numbers."""


class ValueSpec(Section):
    """What outcomes are worth, in money: gains are positive, costs negative.

    Of a binary label each of the four outcomes has a value, of numbers a unit of absolute error.
    """

    currency: str = Field("EUR", min_length=1, max_length=12)
    threshold: float = Field(
        0.5, gt=0, lt=1, description="Chance from which on somebody acts on a prediction."
    )
    true_positive: float = Field(0.0, description="Acted on, and it happened.")
    false_positive: float = Field(0.0, description="Acted on in vain.")
    false_negative: float = Field(0.0, description="It happened, and nobody acted.")
    true_negative: float = Field(0.0, description="Nothing happened, and nobody acted.")
    per_unit_of_error: float = Field(0.0, description="Of numbers: mostly negative.")
    least: float | None = Field(None, description="Value of a row below which a window alerts.")

    @property
    def largest(self) -> float:
        """The largest value of an outcome, gained or lost."""
        values: list[float] = [getattr(self, name) for name in (*OUTCOMES, OF_NUMBERS)]
        return max(map(abs, values))

    def misfit(self, kind: str) -> str | None:
        """What of it does not fit a kind of label; None where all of it does."""
        if kind == "multiclass":
            return "outcomes of a binary label and errors of numbers have a value, classes none"
        fits = (OF_NUMBERS,) if kind == "regression" else OUTCOMES
        others = {*OUTCOMES, OF_NUMBERS, "threshold"} - {*fits}
        others -= {"threshold"} if kind == "binary" else set()
        wrong = sorted(others & self.model_fields_set)
        if wrong:
            return f"{', '.join(wrong)} does not fit a label that is {kind}"
        if not any(getattr(self, name) for name in fits):
            return f"nothing of a label that is {kind} has a value; give {', '.join(fits)}"
        return None


class RosterSpec(Section):
    """Entities of which each must have a prediction in every window.

    They are named, or stand in a file, or are those that the champion learned from often enough.
    """

    column: str = Field(description="What names an entity: a feature, or a column of the key.")
    names: tuple[str, ...] = Field((), description="The entities themselves.")
    file: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]+\.csv$",
        description="CSV in the model's folder that has the column.",
    )
    usual_rows: float = Field(
        20,
        gt=0,
        description="Without names and file: entities that by their share of the training rows "
        "have at least so many in such a window. Of 20, none at all is no chance.",
    )
    may_miss: int = Field(0, ge=0, description="How many of them may have no prediction.")
    gap: timedelta | None = Field(
        None,
        gt=timedelta(0),
        description="Longest time of a window without a prediction for one of them.",
    )

    @model_validator(mode="after")
    def _once(self) -> Self:
        if self.names and self.file:
            raise ValueError("give names or a file, not both")
        return self


class ObjectiveSpec(Section):
    """When predictions must be there, and how long none may come."""

    within: timedelta = Field(
        ge=timedelta(0), description="From a row's prediction time until its prediction is made."
    )
    share: float = Field(0.99, gt=0, le=1, description="Of the predictions that keep it.")
    gap: timedelta | None = Field(
        None, gt=timedelta(0), description="Longest time of a window without a prediction."
    )


class SliceSpec(Section):
    """Parts of a window on which the champion is watched by itself.

    Each is held to the limits of the whole window, and to how it did on the holdout, which knows
    the columns of the key and those of `evaluation.slices`.
    """

    columns: tuple[str, ...] = Field(
        min_length=1, description="By whose values: features, or columns of the key."
    )
    min_rows: int = Field(300, ge=1, description="Fewest labels of a slice that is judged.")


class AttributionSpec(Section):
    """What features contribute to predictions, on the window and on rows of the training.

    The champion predicts `rows` of either once for each feature, with that feature shuffled: so
    much it costs at most, however many rows the window has.
    """

    rows: int = Field(1000, ge=50, le=20_000, description="Rows that are looked at, of each.")
    max_change: float = Field(
        0.25, gt=0, le=1, description="Largest part of all contributions that moves to others."
    )


class MonitoringSpec(Section):
    """Thresholds of the verdict.

    Season is not failure: that a feature moved (PSI) never asks for a training by itself. Three
    things do. The window lies beyond what the champion learned from, so that it extrapolates
    (`max_novelty`). Or it does worse than its own confidence said it would on these very rows
    (`max_drop`) and clearly more so than on its holdout when it was promoted (`margin`), which
    takes the difficulty of the season out. Or features moved and the champion is stale: almost as
    many labelled rows have come since as it learned from (`max_staleness`). The rest alerts. What
    is done about it, and how often, the section `policy` says.
    """

    psi: float = Field(0.2, gt=0, description="PSI at which a feature counts as moved.")
    severity: float = Field(
        0.25,
        gt=0,
        description="Mean PSI (each capped at 1), weighted by importance, that is severe.",
    )
    max_novelty: float = Field(
        0.25, gt=0, le=1, description="Largest share of rows beyond what the champion learned from."
    )
    max_staleness: float = Field(
        0.75,
        gt=0,
        description="Most labelled rows since training, as a share of those learned from.",
    )
    max_age: timedelta | None = Field(
        None,
        gt=timedelta(0),
        description="From the time a champion was trained for until it is old.",
    )
    max_data_age: timedelta | None = Field(
        None, gt=timedelta(0), description="From the end of the newest window until data are old."
    )
    max_drop: float = Field(
        0.02, ge=0, description="Largest fall of a score (more is better) below what was expected."
    )
    max_error_growth: float = Field(
        0.1, ge=0, description="Largest growth of an error (less is better), as a share of it."
    )
    margin: float = Field(
        0.01,
        ge=0,
        description="How much further than at its promotion the champion must fall short; "
        "twice a change that means nothing.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="That such a change is one at all.")
    max_calibration_gap: float | None = Field(
        0.05,
        gt=0,
        description="Largest gap between mean prediction and base rate; for regression in "
        "standard deviations of the label.",
    )
    max_prediction_psi: float = Field(
        0.25, gt=0, description="PSI of the predictions against those on the holdout."
    )
    max_target_psi: float | None = Field(
        None, gt=0, description="PSI of the labels against those of the training rows."
    )
    max_volume_change: float | None = Field(
        0.5,
        gt=0,
        lt=1,
        description="Largest change of a window's rows against the median of those before, day "
        "for day.",
    )
    value: ValueSpec | None = Field(None, description="What outcomes are worth.")
    max_missing: float = Field(
        0.2, gt=0, le=1, description="Largest rise of a feature's share of missing values."
    )
    max_unlabelled: float = Field(
        0.05, ge=0, le=1, description="Largest share of rows whose label is overdue."
    )
    max_unscored: float = Field(
        0.01, ge=0, le=1, description="Largest share of rows that have no prediction."
    )
    max_set_aside: float = Field(
        0.05, ge=0, le=1, description="Largest share of a batch's rows that the contract set aside."
    )
    max_impossible: float = Field(
        0.001,
        ge=0,
        lt=1,
        description="Largest share of rows with what cannot be: predicted twice, of another time, "
        "with a label from before its prediction, a chance above 1, a name written otherwise, a "
        "number ten ranges beyond all that was learned.",
    )
    may_stand_still: tuple[str, ...] = Field(
        (),
        description="Features that may have one single value in a window, such as its month, or "
        "names that are all new, or that may lie anywhere, such as a counter; of any other "
        "that is a column that broke.",
    )
    max_spike: float | None = Field(
        0.3,
        gt=0,
        lt=1,
        description="By how much of the rows one single value of a feature, of the predictions or "
        "of the labels may become more frequent, where these are numbers: beyond it a sensor "
        "stood still or a default was filled in.",
    )
    max_distinct_change: float | None = Field(
        3.0,
        gt=1,
        description="How many times fewer or more distinct values a feature may have than so many "
        "rows let expect: beyond it values were rounded, or have digits that they never had.",
    )
    rosters: tuple[RosterSpec, ...] = ()
    objective: ObjectiveSpec | None = None
    slices: SliceSpec | None = None
    attribution: AttributionSpec | None = None
    min_rows: int = Field(200, ge=1, description="Windows with fewer labelled rows are not judged.")
    report_rows: int = Field(5000, ge=100, description="Rows sampled for the report people open.")
