"""What sections of a declaration promise one another and cannot keep together, in sentences."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from math import ceil
from typing import Final

from infra.errors import few
from tasks.governance.notices import AlertSpec, Occasion
from tasks.governance.policy_spec import WEEK, BudgetSpec, PersistSpec, PolicySpec, lasting
from tasks.governance.triggers import TriggersSpec
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import Action, WatchKind
from tasks.schedules import FreezeSpec
from tasks.verification.spec import ContinuousSpec

_SHORTEST: Final = {
    "day": timedelta(days=1),
    "month": timedelta(days=28),
    "year": timedelta(days=365),
}
"""The least that a window of a grain lasts."""

_DEFAULT: Final = PolicySpec()

_DAYS: Final = 365
_FOR_GOOD: Final = timedelta(days=10 * 365)
"""A freeze has an end that somebody waits for."""


def contradictions(
    policy: PolicySpec,
    monitoring: MonitoringSpec,
    triggers: TriggersSpec,
    alerts: Sequence[AlertSpec],
    grain: str,
) -> Iterator[str]:
    """Why a declaration means something else than it says, a sentence for each.

    Args:
        policy: what follows from a verdict.
        monitoring: what is watched.
        triggers: what else starts trainings.
        alerts: who is told of what.
        grain: of the data's windows.
    """
    yield from _of_kinds(policy, monitoring)
    yield from _in_vain(policy, triggers)
    yield from _of_time(policy, triggers, grain)
    yield from _untold(policy, alerts)


def unkept(
    policy: PolicySpec, verify: ContinuousSpec, freezes: Sequence[FreezeSpec]
) -> Iterator[str]:
    """What a proof or a calendar asks of a policy that never happens, a sentence for each.

    Args:
        policy: what follows from a verdict.
        verify: what `perennial verify continuous` holds the model to.
        freezes: days on which nothing is changed.
    """
    wanted = verify.retrains if "retrains" in verify.model_fields_set else ()
    if wanted and policy.most.rank < Action.RETRAIN.rank:
        yield (
            f"verify.continuous.retrains wants a training for {few(wanted)}, but policy.most is "
            f"{policy.most.value}"
        )
    if policy.every is not None and _is_frozen_for_good(freezes):
        each = lasting(policy.every).removeprefix("1 ")
        yield f"policy.every asks for a training each {each}, but calendar.freezes leave no day"


def _is_frozen_for_good(freezes: Sequence[FreezeSpec]) -> bool:
    """Whether those that train none leave no day of a year, or go on for longer than one plans."""
    days = set[tuple[int, int]]()
    for each in freezes:
        if "train" not in each.flows or each.first is None or each.last is None:
            continue
        length = each.last - each.first
        if length > _FOR_GOOD:
            return True
        if each.yearly:
            frozen = (each.first + timedelta(days=n) for n in range(length.days + 1))
            days |= {(day.month, day.day) for day in frozen}
    return len(days - {(2, 29)}) == _DAYS


def _of_kinds(policy: PolicySpec, monitoring: MonitoringSpec) -> Iterator[str]:
    """A kind of cause that nothing declared ever yields leads nowhere."""
    value = monitoring.value
    watched = {
        WatchKind.VALUE: ("value.least", value is not None and value.least is not None),
        WatchKind.TARGET: ("max_target_psi", monitoring.max_target_psi is not None),
        WatchKind.SLICES: ("slices", monitoring.slices is not None),
        WatchKind.ATTRIBUTION: ("attribution", monitoring.attribution is not None),
        WatchKind.LATE: ("objective", monitoring.objective is not None),
        WatchKind.CALIBRATION: (
            "max_calibration_gap",
            monitoring.max_calibration_gap is not None,
        ),
    }
    for kind, (field, is_there) in watched.items():
        if kind in policy.follow and not is_there:
            yield (
                f"policy.follow names {kind}, which nobody watches: declare monitoring.{field}, "
                "or leave it out"
            )


def _in_vain(policy: PolicySpec, triggers: TriggersSpec) -> Iterator[str]:
    """What holds back questions and trainings has nothing to do where none follows."""
    most = f"but policy.most is {policy.most.value}"
    if policy.most.rank < Action.ASK.rank:
        if policy.persist != PersistSpec():
            yield f"policy.persist holds back what leads to more than an alert, {most}"
        if policy.min_growth != _DEFAULT.min_growth:
            yield f"policy.min_growth decides between trainings and questions, {most}"
    if policy.most.rank < Action.RETRAIN.rank:
        if policy.cooldown > timedelta(0):
            yield f"policy.cooldown lies between trainings that verdicts start, {most}"
        if policy.budget != BudgetSpec() and not _trains(triggers):
            yield f"policy.budget bounds trainings, {most} and no trigger starts one"


def _of_time(policy: PolicySpec, triggers: TriggersSpec, grain: str) -> Iterator[str]:
    shortest, most = _SHORTEST.get(grain), policy.budget.retrains
    if policy.every is not None and shortest is not None and policy.every < shortest:
        yield (
            f"policy.every is {lasting(policy.every)}, but a window is a {grain}: there is nothing "
            "new to learn from in between"
        )
    if shortest is None and policy.persist.of > 1:
        yield "policy.persist looks at windows before, and data without time have one: all"
    if most is None or policy.cooldown <= timedelta(0) or _trains(triggers):
        return
    if ceil(WEEK / policy.cooldown) <= most:
        yield (
            f"policy.budget.retrains is {most} a week, but with a cooldown of "
            f"{lasting(policy.cooldown)} that is never reached: leave one of them out"
        )


def _untold(policy: PolicySpec, alerts: Sequence[AlertSpec]) -> Iterator[str]:
    """Who waits to be told of what never happens."""
    excluded = {
        Occasion(action.value)
        for action in (Action.ALERT, Action.ASK, Action.RETRAIN, Action.ROLLBACK)
        if action.rank > policy.most.rank
    }
    named = sorted({occasion for each in alerts for occasion in each.on} & excluded)
    if named:
        yield f"alerts tell of {few(named)}, but policy.most is {policy.most.value}"


def _trains(triggers: TriggersSpec) -> bool:
    by_commit = any(each.then == "retrain" for each in triggers.application)
    return bool(triggers.data or triggers.code or triggers.events or by_commit)
