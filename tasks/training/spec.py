"""The ``training`` section: how a candidate is made."""

from typing import Literal

from pydantic import Field, JsonValue, model_validator

from infra.resources import TrainingRequest
from tasks.sections import ImportString, Section


class HoldoutSpec(Section):
    """What a candidate is judged on: the newest labelled windows, or a share of timeless rows."""

    windows: int = Field(1, ge=1)
    share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Only for data without time: a random split of timed rows lies.",
    )


class TrainingSpec(Section):
    """How a candidate is trained.

    The trainer is ``build(parameters, categorical, seed)`` and returns an unfitted scikit-learn
    estimator; `candidates` are tried in parallel, each over `parameters`, and the best on the
    newest training window is fitted on all of them.
    """

    trainer: ImportString = "trainer:build"
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    candidates: tuple[dict[str, JsonValue], ...] = ()
    window: Literal["expanding", "latest"] | int = Field(
        "expanding", description="Windows to train on: all, the newest, or that many."
    )
    min_windows: int = Field(1, ge=1)
    holdout: HoldoutSpec = HoldoutSpec()
    seed: int = 20130101
    resources: TrainingRequest = TrainingRequest()
    trusted_types: tuple[str, ...] = Field(
        (), description="Types of one's own that a stored model may hold, as module.Class."
    )

    @model_validator(mode="after")
    def _counts_windows(self) -> "TrainingSpec":
        if isinstance(self.window, int) and self.window < 1:
            raise ValueError("window must be 'expanding', 'latest' or at least 1")
        return self
