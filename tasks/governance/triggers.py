"""The ``triggers`` section: what starts a training beside a person, a schedule and a verdict."""

from datetime import timedelta
from itertools import combinations
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from tasks.sections import Section

_OF_PREFECT: Final = "prefect."
_OF_ASSETS: Final = "prefect.asset."
"""What a flow has made or used, which those of ours never tell of. Source: Prefect 3.8, assets."""


class DataTrigger(Section):
    """Train when enough has come since the last training; each that is given is enough alone."""

    windows: int | None = Field(
        None,
        ge=1,
        description="Windows that were not there at the training; of rows without time, new "
        "deliveries.",
    )
    growth: float | None = Field(
        None,
        gt=0,
        description="Rows that came or were delivered anew, as a share of those that were there.",
    )
    labels: float | None = Field(
        None,
        gt=0,
        description="Labels that came or became known, as a share of those that were known.",
    )

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.windows is None and self.growth is None and self.labels is None:
            raise ValueError("give windows, growth or labels, or several of them")
        return self


class CodeTrigger(Section):
    """Train when a commit has changed what a training is made of, or what consumes it."""

    paths: tuple[str, ...] = Field(
        (),
        description="Files and folders, from the repository's root; by default the model's own "
        "folder and its suites.",
    )


class ApplicationTrigger(Section):
    """What follows when a commit has changed an application: one that predicts, or consumes."""

    paths: tuple[str, ...] = Field(
        min_length=1, description="Files and folders, from the repository's root."
    )
    then: Literal["retrain", "repackage"] = Field(
        description="Train with cause `application`, or build the champion's Bento anew and let it "
        "answer in the place of the one before."
    )


class EventTrigger(Section):
    """Train when an application has told Prefect's server that something happened."""

    event: str = Field(
        pattern=r"^[^\s*!]+$",
        description="Name of the event, the whole of it: no star stands in it.",
    )
    resource: str = Field(
        "*",
        pattern=r"^[^\s*!]*\*?$",
        min_length=1,
        description="Id of its resource (`prefect.resource.id`); a star at the end stands for any "
        "rest.",
    )
    cooldown: timedelta = Field(
        timedelta(0), ge=timedelta(0), description="Least time between trainings for events."
    )

    @model_validator(mode="after")
    def _of_others(self) -> Self:
        if self.event.startswith(_OF_PREFECT) and not self.event.startswith(_OF_ASSETS):
            raise ValueError(
                f"{self.event} tells of Prefect's runs, and this model's are among them: "
                "each would ask for the next. Emit an event of your own"
            )
        return self

    def covers(self, other: "EventTrigger") -> bool:
        """Whether every event that another names is this one's."""
        whole = not self.resource.endswith("*")
        if self.event != other.event or (whole and self.resource != other.resource):
            return False
        return whole or other.resource.removesuffix("*").startswith(self.resource[:-1])


class TriggersSpec(Section):
    """What starts `train` by itself, each with its cause on the run, or a new Bento."""

    data: DataTrigger | None = Field(
        None,
        description="When new data have come; looked at whenever `ingest` lets a batch in, and "
        "every ten minutes while the stack is up.",
    )
    code: CodeTrigger | None = Field(
        None,
        description="When a commit has changed what the newest candidate was trained by; looked at "
        "by `perennial deploy` and every ten minutes while the stack is up.",
    )
    application: tuple[ApplicationTrigger, ...] = Field(
        (), description="When a commit has changed an application; looked at likewise."
    )
    events: tuple[EventTrigger, ...] = Field(
        (), description="When an event has come; `heed/NAME` is woken by it, and upkeep looks too."
    )

    @model_validator(mode="after")
    def _each_counts(self) -> Self:
        """The first that names an event counts: one behind another that covers it never does."""
        for first, second in combinations(self.events, 2):
            if first.covers(second):
                raise ValueError(
                    f"events names {second.event} of {second.resource} behind {first.event} of "
                    f"{first.resource}, which counts first: leave one out, or put the narrow before"
                )
        return self

    @property
    def code_paths(self) -> tuple[str, ...]:
        """What the trigger ``code`` names; empty where it names nothing of its own."""
        return self.code.paths if self.code else ()
