"""What follows from a verdict, by the declared policy and by what was done before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from infra.errors import ConfigError, few
from tasks.governance.past import (
    Past,
    Training,
    judged,
    last_windows,
)
from tasks.governance.policy_spec import WEEK, BudgetSpec, PersistSpec, PolicySpec, lasting
from tasks.references import Action, Cause, Conclusion, DriftVerdict, Restraint, WatchKind
from tasks.windows import WindowName

MOST_TRIES: Final = 3
"""Trainings that verdicts start for one version of the data, each after the one before failed."""

CALENDARS: Final[Mapping[str, timedelta]] = {
    "weekly": timedelta(days=7),
    "monthly": timedelta(days=28),
    "quarterly": timedelta(days=89),
    "yearly": timedelta(days=365),
}
"""Policies that train by the calendar, by name: the shortest that such a time lasts."""

_Led = dict[WatchKind, Action]


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
    if policy.min_growth == 0:
        past = replace(past, tried=None, declined=())
    led, why = _followed(verdict, policy)
    asked = _persisting(led, why, verdict, past, policy.persist)
    asked = _once(_bounded(_due(asked, verdict, past, policy), policy), past)
    match asked.action:
        case Action.RETRAIN:
            return _trained(asked, verdict, past, policy)
        case Action.ROLLBACK if past.predecessor is None:
            why_not = f"Nothing was in charge before version {verdict.champion}: a person decides."
            instead = _instead(asked, Action.ASK, why_not, Restraint.NO_PREDECESSOR)
            return _question(instead, past)
        case Action.ROLLBACK:
            return asked.model_copy(update={"version": past.predecessor})
        case Action.ASK:
            return _question(asked, past)
        case _:
            return asked


def _followed(verdict: DriftVerdict, policy: PolicySpec) -> tuple[_Led, tuple[str, ...]]:
    """What each kind of cause leads to, and what the policy changed of it.

    Of several causes of a kind the gravest counts. Beside a fault of the data `follow` leads no
    other cause further than monitoring does, which knows what such a fault explains.
    """
    own: _Led = {}
    for each in verdict.causes:
        if each.action is not Action.REST:
            own[each.kind] = _gravest((each.action, own.get(each.kind, Action.REST)))
    wanted = {kind: policy.follow.get(kind, action) for kind, action in own.items()}
    faults = sorted(kind for kind in own if kind.is_of_data)
    most, held = _gravest(own.values()), _gravest(wanted.values())
    ceiling = verdict.action if verdict.action.rank < most.rank else Action.ROLLBACK
    led = {
        kind: _least((_beside(kind, action, own[kind], faults), ceiling))
        for kind, action in wanted.items()
    }
    action = _gravest(led.values())
    if _gravest((action, most)).rank < held.rank:
        return led, (f"Beside {few(faults)} the policy leads no other cause to {held.value}.",)
    moved = sorted(kind for kind, to in led.items() if to is action is not own[kind])
    if action is verdict.action or not moved:
        return led, ()
    return led, (f"The policy leads {few(moved)} to {action.value}.",)


def _beside(kind: WatchKind, to: Action, own: Action, faults: Sequence[WatchKind]) -> Action:
    """Where a kind of cause leads beside faults; labels that are out explain nothing."""
    if not faults or kind.is_of_data or to.rank <= own.rank:
        return to
    if any(each is not WatchKind.COVERAGE for each in faults):
        return own
    return Action.ASK if to is Action.RETRAIN else to


def _persisting(
    led: _Led, why: tuple[str, ...], verdict: DriftVerdict, past: Past, persist: PersistSpec
) -> Conclusion:
    """What the gravest kind leads to of those that were seen often enough; the others alert."""
    asks = [kind for kind, action in led.items() if action.rank >= Action.ASK.rank]
    where = _where(asks, verdict, past, persist)
    lasts = {kind: len(windows) >= persist.least for kind, windows in where.items()}
    left = {kind: to if lasts.get(kind, True) else Action.ALERT for kind, to in led.items()}
    action = _gravest(left.values()) if led else verdict.action
    kinds = tuple(kind for kind, each in left.items() if each.rank >= action.rank)
    wanted = _gravest(led.values()) if led else verdict.action
    less = (Restraint.FOLLOW,) if wanted.rank < verdict.action.rank else ()
    asked = Conclusion(action=action, why=why, kinds=kinds, restraints=less)
    if persist.least == 1 or not asks:
        return asked
    if action.rank >= Action.ASK.rank:
        said = tuple(f"{_seen(kind, where[kind], persist)}." for kind in kinds)
        less = (*less, Restraint.PERSIST) if action.rank < wanted.rank else less
        return asked.model_copy(update={"why": (*why, *said), "restraints": less})
    kind = max(where, key=lambda each: len(where[each]))
    often = f"it leads to more than an alert in {persist.least}."
    kinds = tuple(each for each in asks if led[each] is wanted)
    asked = asked.model_copy(update={"kinds": kinds})
    seldom = f"{_seen(kind, where[kind], persist)}; {often}"
    return _instead(asked, action, seldom, Restraint.PERSIST)


def _where(
    kinds: Iterable[WatchKind], verdict: DriftVerdict, past: Past, persist: PersistSpec
) -> dict[WatchKind, list[WindowName]]:
    """In which of the last windows each kind was seen, under the champion of the verdict.

    What a fault of the data may have made counts with its like alone: an outage is no first sign
    of what a sound window shows.
    """
    names = last_windows(verdict.window, persist.of)[:-1]
    before = [
        each for each in past.seen if each.window in names and each.champion == verdict.champion
    ]
    sure = judged(verdict).kinds
    return {
        kind: [
            *(
                each.window
                for each in before
                if kind in each.kinds or (kind not in sure and kind in each.doubtful)
            ),
            verdict.window,
        ]
        for kind in kinds
    }


def _seen(kind: WatchKind, windows: list[WindowName], persist: PersistSpec) -> str:
    names = few(windows, most=persist.of)
    return f"{kind} was seen in {len(windows)} of the last {persist.of} windows ({names})"


def _gravest(actions: Iterable[Action]) -> Action:
    return max(actions, key=lambda each: each.rank, default=Action.REST)


def _least(actions: Iterable[Action]) -> Action:
    return min(actions, key=lambda each: each.rank)


def _due(asked: Conclusion, verdict: DriftVerdict, past: Past, policy: PolicySpec) -> Conclusion:
    """A training by the calendar, where neither more nor a question is asked for already.

    It learns no fault of the data either, and does not forestall the answer to a question.
    """
    if policy.every is None or asked.action.rank >= Action.ASK.rank:
        return asked
    if past.trained is not None and verdict.as_of - past.trained < policy.every:
        return asked
    last = "there was none" if past.trained is None else f"the last was as of {past.trained:%F}"
    each = lasting(policy.every).removeprefix("1 ")
    said = f"A training is due every {each}: {last}"
    faults = sorted(
        {c.kind for c in verdict.causes if c.kind.is_of_data and c.action is not Action.REST}
    )
    if faults or past.asking:
        waits = f"the data are at fault ({few(faults)})" if faults else f"{past.asking} asks first"
        restraint = Restraint.FAULT if faults else Restraint.ASKING
        return _instead(asked, Action.ALERT, f"{said}. It waits: {waits}.", restraint)
    return Conclusion(
        action=Action.RETRAIN,
        why=(*asked.why, f"{said}."),
        cause=Cause.SCHEDULE,
        restraints=asked.restraints if verdict.action is Action.ROLLBACK else (),
    )


def _bounded(asked: Conclusion, policy: PolicySpec) -> Conclusion:
    if asked.action.rank <= policy.most.rank:
        return asked
    why = f"The policy allows no more than {policy.most.value}."
    return _instead(asked, policy.most, why, Restraint.MOST)


def _once(asked: Conclusion, past: Past) -> Conclusion:
    """No second question, training or rollback in a run that judges two windows."""
    beside = past.beside
    if beside is None or not Action.ASK.rank <= asked.action.rank <= beside.action.rank:
        return asked
    why = f"The verdict on {beside.window} leads to {beside.action.value} in the same run."
    return _instead(asked, Action.ALERT, why, Restraint.UNDERWAY)


def _trained(
    asked: Conclusion, verdict: DriftVerdict, past: Past, policy: PolicySpec
) -> Conclusion:
    """A training, or what is done in its place while it has to wait."""
    challenger = f"{past.reviewing} asks a person about a challenger for drift already."
    waits = {
        Restraint.UNDERWAY: f"{past.underway} trains for drift already." if past.underway else "",
        Restraint.REVIEWING: challenger if past.reviewing else "",
        Restraint.REPEATED: past.repeated,
        Restraint.COOLDOWN: _cooling(verdict, past, policy),
        Restraint.BUDGET: _spent(verdict, past, policy),
        Restraint.FAILING: _failing(past),
    }
    for restraint, why in waits.items():
        if why:
            return _instead(asked, Action.ALERT, why, restraint)
    doubt = _unhelped(asked, verdict, past, policy)
    if doubt:
        why = f"{doubt}: a person decides."
        return _question(_instead(asked, Action.ASK, why, Restraint.TURNED_DOWN), past)
    return _held(asked, past)


def _unhelped(asked: Conclusion, verdict: DriftVerdict, past: Past, policy: PolicySpec) -> str:
    """Why another training would likely be as useless as the last one; empty where it is not."""
    if policy.min_growth == 0 or not asked.kinds:
        return ""
    tried, turned = past.tried, verdict.turned_down
    again = sorted(tried.kinds & set(asked.kinds)) if tried else []
    if tried and again:
        became = "is in charge" if tried.promoted else "was turned down"
        return (
            f"Version {tried.version} was trained for drift as of {tried.as_of:%F} and {became}; "
            f"it did not help against {few(again)}"
        )
    if turned is None or turned.growth >= policy.min_growth:
        return ""
    return (
        f"Version {turned.version} was trained for drift as of {turned.as_of:%F} and turned down; "
        f"since then {turned.growth:.0%} as many labelled rows have come as it learned from, and "
        f"another is trained at {policy.min_growth:.0%}"
    )


def _held(asked: Conclusion, past: Past) -> Conclusion:
    """A training that starts once a freeze is over, where there is one."""
    if not past.frozen:
        return asked
    why = f"The training waits: {past.frozen}."
    said, restraints = (*asked.why, why), (*asked.restraints, Restraint.FREEZE)
    return asked.model_copy(update={"held": past.frozen, "why": said, "restraints": restraints})


def _failing(past: Past) -> str:
    if len(past.failed) < MOST_TRIES:
        return ""
    return (
        f"{len(past.failed)} trainings on these data failed, {past.failed[-1]} the last: mend what "
        "it says, and start one by hand."
    )


def _question(asked: Conclusion, past: Past) -> Conclusion:
    """A question, unless one is open or a person has answered it."""
    kinds = set(asked.kinds)
    if kinds and kinds <= past.settled:
        why = "A person was asked about this window and wanted no training."
        return _instead(asked, Action.REST, why, Restraint.DECLINED)
    if kinds and any(kinds <= each for each in past.declined):
        why = f"A person was asked about {few(sorted(kinds))} and wanted no training."
        return _instead(asked, Action.ALERT, why, Restraint.DECLINED)
    if past.repeated:
        return _instead(asked, Action.ALERT, past.repeated, Restraint.REPEATED)
    if past.asking:
        why = f"{past.asking} asks a person already."
        return _instead(asked, Action.ALERT, why, Restraint.ASKING)
    return asked


def _cooling(verdict: DriftVerdict, past: Past, policy: PolicySpec) -> str:
    """Why it is too soon after a training, or too shortly before one: windows may be caught up."""
    times = [each.as_of for each in past.trainings]
    near = [each for each in times if abs(verdict.as_of - each) < policy.cooldown]
    if not near:
        return ""
    last, cooldown = near[-1], lasting(policy.cooldown)
    return f"The last training for drift was as of {last:%F}; the cooldown is {cooldown}."


def _spent(verdict: DriftVerdict, past: Past, policy: PolicySpec) -> str:
    trained = (*past.trainings, *past.others)
    week = [each for each in trained if abs(verdict.as_of - each.as_of) < WEEK]
    return over_budget(week, policy.budget)


def over_budget(week: Iterable[Training], budget: BudgetSpec) -> str:
    """Why no further training may start, a sentence; empty where one may.

    Args:
        week: the trainings of the last seven days that count.
        budget: what is declared.
    """
    hours = [each.gpu_hours for each in week]
    if budget.retrains is not None and len(hours) >= budget.retrains:
        return f"{len(hours)} trainings began within seven days; {budget.retrains} may."
    if budget.gpu_hours is not None and sum(hours) >= budget.gpu_hours:
        used, most = sum(hours), budget.gpu_hours
        return f"Trainings took {used:.1f} GPU hours within seven days; {most:g} may be spent."
    return ""


def _instead(asked: Conclusion, action: Action, why: str, restraint: Restraint) -> Conclusion:
    said, restraints = (*asked.why, why), (*asked.restraints, restraint)
    return asked.model_copy(update={"action": action, "why": said, "restraints": restraints})
