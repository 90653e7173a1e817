"""The ``evaluation`` and ``gates`` sections: how a candidate is judged."""

from pydantic import Field

from tasks.sections import ImportString, Section


class EvaluationSpec(Section):
    """What is measured on the holdout."""

    metric: str = Field(
        description="The one that gates compare: roc_auc, log_loss, rmse, accuracy ..."
    )
    baseline: ImportString | None = Field(
        None,
        description="predict(train, holdout) of a simple rule; the best constant if left out.",
    )
    slices: tuple[str, ...] = Field((), description="Columns by whose values metrics are shown.")
    sensitive: tuple[str, ...] = Field((), description="Columns whose groups are compared.")
    min_group: int = Field(300, ge=1, description="Smallest group that is shown.")


class GateSpec(Section):
    """When a candidate may replace the champion."""

    min_gain: float = Field(
        0.0, ge=0, description="The gain's lower bound must exceed this, in units of the metric."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of the paired bootstrap's interval.")
    rounds: int = Field(400, ge=100, description="Rounds of the paired bootstrap.")
    too_good: float | None = Field(
        None, description="A metric at or beyond this is a leak until a person has looked."
    )
    must_beat_baseline: bool = True
