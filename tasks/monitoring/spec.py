"""The ``monitoring`` section: what is watched and what follows."""

from pydantic import Field

from tasks.sections import Section


class MonitoringSpec(Section):
    """Thresholds of the verdict.

    Drift of single features is season more often than failure, so it counts by severity (PSI
    weighted by the feature's importance) and together with performance, never alone.
    """

    psi: float = Field(0.2, gt=0, description="PSI at which a feature counts as drifted.")
    severity: float = Field(
        0.5, gt=0, description="Importance-weighted PSI (each capped at 1) that is severe."
    )
    max_drop: float = Field(
        0.02, ge=0, description="Fall of the metric below the champion's holdout that is a failure."
    )
    max_calibration_gap: float | None = Field(
        None, gt=0, description="Largest gap between mean prediction and base rate."
    )
    max_prediction_psi: float = Field(0.25, gt=0)
    min_rows: int = Field(200, ge=1, description="Windows with fewer labelled rows are not judged.")
    report_rows: int = Field(5000, ge=100, description="Rows sampled for the report people open.")
