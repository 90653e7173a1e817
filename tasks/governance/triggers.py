"""The ``triggers`` section: what starts a training beside a person, a schedule and a verdict."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.references import Candidate, History, Manifest
from tasks.sections import Section
from tasks.windows import EVERYTHING, first_day


class DataTrigger(Section):
    """Train when enough has come since the last training; give one of the two, or both."""

    windows: int | None = Field(None, ge=1, description="New windows.")
    growth: float | None = Field(
        None, gt=0, description="New rows, as a share of those that were there at the training."
    )

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.windows is None and self.growth is None:
            raise ValueError("give windows, growth or both")
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

    event: str = Field(pattern=r"^\S+$", description="Name of the event, the whole of it.")
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


class TriggersSpec(Section):
    """What starts `train` by itself, each with its cause on the run, or a new Bento."""

    data: DataTrigger | None = Field(
        None, description="When new data have come; looked at whenever `ingest` lets a batch in."
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


def enough_came(history: History, last: Candidate, trigger: DataTrigger) -> str:
    """Why it is time to train on new data, a sentence; empty while it is not.

    Args:
        history: what is known now.
        last: the newest candidate that came before the gates, whatever became of it.
        trigger: what is declared.
    """
    new, old = _since(history, last)
    came, was = _rows(new), _rows(old)
    if trigger.windows is not None and len(new) >= trigger.windows:
        return f"{len(new)} windows have come since version {last.version} was trained."
    if trigger.growth is not None and was and came / was >= trigger.growth:
        return (
            f"{came:,} rows have come since version {last.version} was trained, {came / was:.0%} "
            "of those that were there."
        )
    return ""


def _since(history: History, last: Candidate) -> tuple[list[Manifest], list[Manifest]]:
    """The manifests that came after a training, and those that it knew."""
    split = last.fitted.split
    known = [*split.train, *split.holdout]
    if EVERYTHING in known:  # each delivery takes the place of the one before
        changed = history.digest != last.data_version
        return (list(history.manifests) if changed else [], list(history.manifests))
    newest = max(first_day(window) for window in known)
    new = [each for each in history.manifests if first_day(each.window) > newest]
    return new, [each for each in history.manifests if each not in new]


def _rows(manifests: Sequence[Manifest]) -> int:
    return sum(table.rows for each in manifests for table in each.tables)
