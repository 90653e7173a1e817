"""What predictions were worth, in the money that a declaration gives each outcome."""

from dataclasses import dataclass

import numpy as np

from tasks.monitoring.performance import Scored
from tasks.monitoring.spec import ValueSpec


@dataclass(frozen=True)
class Worth:
    """Money of some labelled rows.

    Attributes:
        total: with the predictions.
        without: had nobody predicted anything: nothing is acted on, or the mean label is said.
        rows: how many.
    """

    total: float
    without: float
    rows: int

    @property
    def each(self) -> float:
        """Of one row, with the predictions."""
        return self.total / self.rows


def worth(rows: Scored, spec: ValueSpec) -> Worth | None:
    """What labelled predictions were worth; None for no rows, or a label that has no such value."""
    if not len(rows.labels) or rows.kind == "multiclass":
        return None
    if rows.kind == "regression":
        errors = np.abs(rows.predictions - rows.labels).sum()
        plain = np.abs(rows.labels.mean() - rows.labels).sum()
        each = spec.per_unit_of_error
        return Worth(float(errors * each), float(plain * each), len(rows.labels))
    acted, happened = rows.predictions >= spec.threshold, rows.labels > 0
    total = (
        spec.true_positive * int((acted & happened).sum())
        + spec.false_positive * int((acted & ~happened).sum())
        + spec.false_negative * int((~acted & happened).sum())
        + spec.true_negative * int((~acted & ~happened).sum())
    )
    idle = spec.false_negative * int(happened.sum()) + spec.true_negative * int((~happened).sum())
    return Worth(float(total), float(idle), len(rows.labels))
