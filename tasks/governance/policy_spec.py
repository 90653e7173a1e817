"""The ``policy`` section: what follows from a verdict, and how often."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, Self

from pydantic import Field, model_validator

from infra.errors import few
from tasks.references import Action, WatchKind
from tasks.sections import Section

WEEK: Final = timedelta(days=7)


class BudgetSpec(Section):
    """The most that trainings may take in any seven days which nobody asked for.

    Those count that verdicts, new data, commits and events start, and those wait for it. What a
    person, CI or a schedule starts does neither.
    """

    retrains: int | None = Field(None, ge=1, description="Trainings.")
    gpu_hours: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Hours of a whole GPU: parts count as parts."
    )


class PersistSpec(Section):
    """How often a cause must have been seen: in so many of the last windows, the newest among them.

    One window that is odd alerts; a world that moved is odd again. Windows are counted by the
    calendar, and of the champion alone: one that was not judged, or under another version, is one
    in which nothing was seen.
    """

    least: int = Field(1, ge=1, description="Windows in which it was seen.")
    of: int = Field(1, ge=1, le=60, description="Windows that are looked at.")

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.least > self.of:
            also = "" if "of" in self.model_fields_set else ": write of too"
            raise ValueError(
                f"least is {self.least}, but only {self.of} windows are looked at{also}"
            )
        if self.least == 1 < self.of:
            raise ValueError(
                f"of is {self.of}, but with least 1 the newest window is enough: write least too"
            )
        return self


class PolicySpec(Section):
    """What follows from a verdict, and how often.

    A verdict says what each of its causes leads to by itself. `follow` leads a kind of cause
    elsewhere, `most` bounds all of them, and a training waits for its turn: one at a time, not
    within the cooldown, not beyond the budget. What has to wait alerts. Where a training did not
    help, promoted or not, a person is asked before another, once.
    """

    follow: dict[WatchKind, Action] = Field(
        default_factory=dict, description="Kind of cause to what it leads to beyond its limit."
    )
    most: Action = Field(Action.ROLLBACK, description="What may follow at most.")
    persist: PersistSpec = PersistSpec()
    every: timedelta | None = Field(
        None,
        description="A training is due when the last is so old, whatever the verdict; its cause is "
        "`schedule`.",
    )
    cooldown: timedelta = Field(
        timedelta(0), description="Least time between trainings that verdicts start."
    )
    budget: BudgetSpec = BudgetSpec()
    min_growth: float = Field(
        0.25,
        ge=0,
        allow_inf_nan=False,
        description="Fewest labelled rows since the rows that a challenger was judged on, as a "
        "share of those it learned from, before another is trained without a question, or a "
        "person who said no is asked again. With 0 each window may train or ask again, also where "
        "the last training did not help.",
    )

    def by_verdict_alone(self) -> Self:
        """The same without the calendar, whose trainings go by the newest window."""
        return self.model_copy(update={"every": None})

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        """A policy that contradicts itself is a mistake, found before anything runs."""
        for said in (*self._of_kinds(), *self._of_times()):
            raise ValueError(said)
        return self

    def _of_kinds(self) -> Iterator[str]:
        beyond = [kind for kind, action in self.follow.items() if action.rank > self.most.rank]
        if beyond:
            first = self.follow[beyond[0]]
            yield f"follow leads {few(beyond)} to {first.value}, but most is {self.most.value}"
        faults = [
            kind
            for kind, action in self.follow.items()
            if kind.is_of_data and action is Action.RETRAIN
        ]
        if faults:
            yield (
                f"follow leads {few(faults)} to retrain, but a fault of the data is trained on by "
                "no policy: write ask"
            )

    def _of_times(self) -> Iterator[str]:
        every, most = self.every, self.budget.retrains
        if self.cooldown < timedelta(0):
            yield "cooldown cannot be negative"
        if every is None:
            return
        if every <= timedelta(0):
            yield "every must be a length of time above zero"
        if self.most.rank < Action.RETRAIN.rank:
            yield f"every asks for trainings, but most is {self.most.value}"
        if every < self.cooldown:
            yield "every is shorter than the cooldown, which would never let it train"
        if most is not None and every * most < WEEK:
            each = lasting(every).removeprefix("1 ")
            yield f"every asks for a training each {each}, but the budget allows {most} in a week"


def lasting(length: timedelta) -> str:
    """A length of time in words, in days where it has whole ones.

    >>> lasting(timedelta(days=1)), lasting(timedelta(days=14)), lasting(timedelta(hours=36))
    ('1 day', '14 days', '36 hours')
    """
    whole = length % timedelta(days=1) == timedelta(0)
    number = length / timedelta(days=1) if whole else length / timedelta(hours=1)
    return f"{number:g} {'day' if whole else 'hour'}{'' if number == 1 else 's'}"
