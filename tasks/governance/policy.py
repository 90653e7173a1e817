"""The ``policy`` section: what follows from a verdict, and how often."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Self

from pydantic import Field, model_validator

from infra.errors import ConfigError, few
from tasks.references import Action, Conclusion, DriftVerdict, WatchKind
from tasks.sections import Section
from tasks.windows import WindowName, first_day

WEEK: Final = timedelta(days=7)

MOST_TRIES: Final = 3
"""Trainings that verdicts start for one version of the data, each after the one before failed."""

CALENDARS: Final[Mapping[str, timedelta]] = {
    "weekly": timedelta(days=7),
    "monthly": timedelta(days=28),
    "quarterly": timedelta(days=89),
    "yearly": timedelta(days=365),
}
"""Policies that train by the calendar, by name: the shortest that such a time lasts."""


class BudgetSpec(Section):
    """The most that trainings which nobody asked for may take in any seven days."""

    retrains: int | None = Field(None, ge=1, description="Trainings.")
    gpu_hours: float | None = Field(
        None, gt=0, description="Hours of a whole GPU: parts count as parts."
    )


class PersistSpec(Section):
    """How often a cause must have been seen: in so many of the last windows, the newest among them.

    One window that is odd alerts; a world that moved is odd again.
    """

    least: int = Field(1, ge=1, description="Windows in which it was seen.")
    of: int = Field(1, ge=1, le=60, description="Windows that are looked at.")

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.least > self.of:
            raise ValueError(f"least is {self.least}, but only {self.of} windows are looked at")
        return self


class PolicySpec(Section):
    """What follows from a verdict, and how often.

    A verdict says what each of its causes leads to by itself. `follow` leads a kind of cause
    elsewhere, `most` bounds all of them, and a training waits for its turn: one at a time, not
    within the cooldown, not beyond the budget. What has to wait alerts. A training that did not
    help is not tried again on nearly the same rows: a person is asked, once.
    """

    follow: dict[WatchKind, Action] = Field(
        default_factory=dict, description="Kind of cause to what it leads to beyond its limit."
    )
    most: Action = Field(Action.ROLLBACK, description="What may follow at most.")
    persist: PersistSpec = PersistSpec()
    every: timedelta | None = Field(
        None, description="A training is due when the last is so old, whatever the verdict."
    )
    cooldown: timedelta = Field(
        timedelta(0), description="Least time between trainings that verdicts start."
    )
    budget: BudgetSpec = BudgetSpec()
    min_growth: float = Field(
        0.25,
        ge=0,
        description="Fewest labelled rows since a challenger was turned down, as a share of those "
        "it learned from, before another is trained; with 0 each window may start one.",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        """A policy that contradicts itself is a mistake, found before anything runs."""
        beyond = [kind for kind, action in self.follow.items() if action.rank > self.most.rank]
        if beyond:
            raise ValueError(
                f"{few(beyond)} lead to {self.follow[beyond[0]].value}, but most is "
                f"{self.most.value}"
            )
        if self.every is not None and self.every <= timedelta(0):
            raise ValueError("every must be a length of time above zero")
        if self.cooldown < timedelta(0):
            raise ValueError("cooldown cannot be negative")
        if self.every is not None and self.most.rank < Action.RETRAIN.rank:
            raise ValueError(f"every asks for trainings, but most is {self.most.value}")
        if self.every is not None and self.every < self.cooldown:
            raise ValueError("every is shorter than the cooldown, which would never let it train")
        most = self.budget.retrains
        if self.every is not None and most is not None and self.every * most < WEEK:
            raise ValueError(
                f"every asks for a training each {_days(self.every)}, but the budget allows {most} "
                "in seven days"
            )
        return self


@dataclass(frozen=True)
class Training:
    """A training that a verdict started, or a person whom one had asked.

    Attributes:
        as_of: the time of the verdict.
        gpu_hours: what it took, as far as it is on record.
    """

    as_of: datetime
    gpu_hours: float = 0.0


class Judged(NamedTuple):
    """A window that was judged before, and the kinds of causes that were beyond their limits."""

    window: WindowName
    kinds: frozenset[WatchKind]


@dataclass(frozen=True)
class Past:
    """What was done before a verdict.

    Attributes:
        trainings: that verdicts started, oldest first.
        trained: when the newest of all trainings was, by its own time.
        underway: name of the run that trains for drift now; empty for none.
        asking: name of the run that asks a person about drift now; empty for none.
        seen: the windows before, newest last.
        declined: the kinds that a person was asked about since the champion is in charge, and
            wanted no training for.
        predecessor: the version that was in charge before the champion.
        failed: names of the runs that other verdicts have started for the same version of the
            data, and that failed.
        frozen: why no training may start on the verdict's day; empty where one may.
    """

    trainings: tuple[Training, ...] = ()
    trained: datetime | None = None
    underway: str = ""
    asking: str = ""
    seen: tuple[Judged, ...] = ()
    declined: tuple[frozenset[WatchKind], ...] = ()
    predecessor: int | None = None
    failed: tuple[str, ...] = ()
    frozen: str = ""


def seen_before(verdicts: Iterable[DriftVerdict], window: str, most: int) -> tuple[Judged, ...]:
    """The windows before one, each as it was judged last.

    Args:
        verdicts: in the order in which they were reached.
        window: the one that is judged.
        most: windows, the newest before it.
    """
    start = first_day(window)
    last = {each.window: each for each in verdicts if first_day(each.window) < start}
    newest = [last[name] for name in sorted(last, key=first_day)][-most:]
    return tuple(judged(each) for each in newest)


def judged(verdict: DriftVerdict) -> Judged:
    """What was seen of a window, as the verdicts after it count it."""
    beyond = (each.kind for each in verdict.causes if each.action is not Action.REST)
    return Judged(verdict.window, frozenset(beyond))


def named_policy(name: str, declared: PolicySpec) -> PolicySpec:
    """A policy by name: ``declared`` (or ``drift``), ``never``, or one of the calendar.

    Raises:
        ConfigError: there is no such policy.
    """
    if name in {"declared", "drift"}:
        return declared
    if name == "never":
        return PolicySpec(most=Action.ALERT)
    if name in CALENDARS:
        nothing = dict.fromkeys(WatchKind, Action.ALERT)
        return PolicySpec(follow=nothing, every=CALENDARS[name], min_growth=0)
    known = ["declared", "drift", "never", *CALENDARS]
    raise ConfigError(f"There is no policy {name!r}.", hint=f"Policies are {few(known, most=9)}.")


def conclude(verdict: DriftVerdict, past: Past, policy: PolicySpec) -> Conclusion:
    """What is done about a verdict, and what the policy changed of what it asked for.

    The same verdict with the same past leads to the same conclusion.
    """
    asked = _persisting(_followed(verdict, policy), verdict.window, past, policy.persist)
    asked = _bounded(_due(asked, verdict, past, policy), policy)
    match asked.action:
        case Action.RETRAIN:
            return _trained(asked, verdict, past, policy)
        case Action.ROLLBACK if past.predecessor is None:
            why = f"Nothing was in charge before version {verdict.champion}: a person decides."
            return _waiting(_instead(asked, Action.ASK, why), past)
        case Action.ROLLBACK:
            return asked.model_copy(update={"version": past.predecessor})
        case Action.ASK:
            return _waiting(asked, past)
        case _:
            return asked


def _followed(verdict: DriftVerdict, policy: PolicySpec) -> Conclusion:
    """What the causes lead to, each where the policy leads its kind.

    Where monitoring asks for less than its gravest cause, because the data are at fault, the
    policy asks for no more than that either.
    """
    beyond = [each for each in verdict.causes if each.action is not Action.REST]
    led = {each.kind: policy.follow.get(each.kind, each.action) for each in beyond}
    own, action = _gravest(each.action for each in beyond), _gravest(led.values())
    if action is own or verdict.action.rank < min(own.rank, action.rank):
        action = verdict.action
    elif action is Action.RETRAIN and any(each.kind.is_of_data for each in beyond):
        action = Action.ASK
    kinds = tuple(kind for kind, each in led.items() if each.rank >= action.rank)
    if action is verdict.action:
        return Conclusion(action=action, kinds=kinds)
    why = f"By the policy {few(sorted(led))} lead to {action.value}."
    return Conclusion(action=action, why=(why,), kinds=kinds)


def _persisting(
    asked: Conclusion, window: WindowName, past: Past, persist: PersistSpec
) -> Conclusion:
    """What was asked for, if a cause of it was seen often enough; else it alerts."""
    if asked.action.rank < Action.ASK.rank or persist.least == 1 or not asked.kinds:
        return asked
    before = past.seen[-(persist.of - 1) :]
    where = {
        kind: [*(each.window for each in before if kind in each.kinds), window]
        for kind in asked.kinds
    }
    lasting = tuple(kind for kind, seen in where.items() if len(seen) >= persist.least)
    if lasting:
        why = tuple(f"{_seen(kind, where[kind], persist)}." for kind in lasting)
        return asked.model_copy(update={"kinds": lasting, "why": (*asked.why, *why)})
    kind = max(where, key=lambda each: len(where[each]))
    often = f"it leads to more than an alert in {persist.least}."
    return _instead(asked, Action.ALERT, f"{_seen(kind, where[kind], persist)}; {often}")


def _seen(kind: WatchKind, windows: list[WindowName], persist: PersistSpec) -> str:
    names = few(windows, most=persist.of)
    return f"{kind} was seen in {len(windows)} of the last {persist.of} windows ({names})"


def _gravest(actions: Iterable[Action]) -> Action:
    return max(actions, key=lambda each: each.rank, default=Action.REST)


def _due(asked: Conclusion, verdict: DriftVerdict, past: Past, policy: PolicySpec) -> Conclusion:
    """A training by the calendar, where more is not asked for already."""
    if policy.every is None or asked.action.rank >= Action.RETRAIN.rank:
        return asked
    if past.trained is not None and verdict.as_of - past.trained < policy.every:
        return asked
    last = "there was none" if past.trained is None else f"the last was as of {past.trained:%F}"
    return Conclusion(
        action=Action.RETRAIN,
        why=(*asked.why, f"A training is due every {_days(policy.every)}: {last}."),
    )


def _bounded(asked: Conclusion, policy: PolicySpec) -> Conclusion:
    if asked.action.rank <= policy.most.rank:
        return asked
    why = f"The policy allows no more than {policy.most.value}."
    return _instead(asked, policy.most, why)


def _trained(
    asked: Conclusion, verdict: DriftVerdict, past: Past, policy: PolicySpec
) -> Conclusion:
    """A training, or what is done in its place while it has to wait."""
    if past.underway:
        return _instead(asked, Action.ALERT, f"{past.underway} trains for drift already.")
    wait = _cooling(verdict, past, policy) or _spent(verdict, past, policy) or _failing(past)
    if wait:
        return _instead(asked, Action.ALERT, wait)
    tried = verdict.turned_down
    if tried is None or tried.growth >= policy.min_growth or not asked.kinds:
        return _held(asked, past)
    said = (
        f"Version {tried.version} was trained for drift as of {tried.as_of:%F} and turned down; "
        f"since then {tried.growth:.0%} as many labelled rows have come as it learned from, and "
        f"another is trained at {policy.min_growth:.0%}"
    )
    if frozenset(asked.kinds) in past.declined:
        return _instead(asked, Action.ALERT, f"{said}; a person was asked and wanted none.")
    return _waiting(_instead(asked, Action.ASK, f"{said}: a person decides."), past)


def _held(asked: Conclusion, past: Past) -> Conclusion:
    """A training that starts once a freeze is over, where there is one."""
    if not past.frozen:
        return asked
    why = f"The training waits: {past.frozen}."
    return asked.model_copy(update={"held": past.frozen, "why": (*asked.why, why)})


def _failing(past: Past) -> str:
    if len(past.failed) < MOST_TRIES:
        return ""
    return (
        f"{len(past.failed)} trainings on these data failed, {past.failed[-1]} the last: mend what "
        "it says, and start one by hand."
    )


def _waiting(asked: Conclusion, past: Past) -> Conclusion:
    """A question, unless one is open."""
    if not past.asking:
        return asked
    return _instead(asked, Action.ALERT, f"{past.asking} asks a person already.")


def _cooling(verdict: DriftVerdict, past: Past, policy: PolicySpec) -> str:
    if not past.trainings or verdict.as_of - past.trainings[-1].as_of >= policy.cooldown:
        return ""
    last, cooldown = past.trainings[-1].as_of, policy.cooldown
    return f"The last training for drift was as of {last:%F}; the cooldown is {_days(cooldown)}."


def _spent(verdict: DriftVerdict, past: Past, policy: PolicySpec) -> str:
    newest = [each for each in past.trainings if verdict.as_of - each.as_of < WEEK]
    most, hours = policy.budget.retrains, policy.budget.gpu_hours
    if most is not None and len(newest) >= most:
        return f"{len(newest)} trainings for drift began within seven days; {most} may."
    used = sum(each.gpu_hours for each in newest)
    if hours is not None and used >= hours:
        return f"Trainings took {used:.1f} GPU hours within seven days; {hours:g} may be spent."
    return ""


def _instead(asked: Conclusion, action: Action, why: str) -> Conclusion:
    return asked.model_copy(update={"action": action, "why": (*asked.why, why)})


def _days(length: timedelta) -> str:
    return f"{length.days} days" if length.days > 1 else f"{length.total_seconds() / 3600:g} hours"
