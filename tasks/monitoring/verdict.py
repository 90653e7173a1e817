"""The verdict of a window: rest, alert, ask or retrain, each with its reasons.

Three things ask for a training: the window lies beyond what the champion learned from; the
champion falls short of its own confidence by more than when it was promoted; features moved and
nearly as many labelled rows have come since as it learned from. The rest alerts.

Beside a fault of the data that explains it (an outage, a feed that lost a part, a broken column)
what moved is told and alerts, because nobody can tell it from drift. A fall of the performance
stays one, but becomes a question: a training would learn the fault. A fault explains no more than
it concerns (`explaining`). What is done about it is the policy's to say.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from tasks.monitoring.causes import Fault, Observation
from tasks.monitoring.data_rules import DATA_RULES
from tasks.monitoring.explaining import explaining, questions, suspected
from tasks.monitoring.rules import RULES
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import Action, VerdictCause, WatchKind


class Judgement(NamedTuple):
    """What follows from a window: the reasons in sentences, the same as causes by kind."""

    action: Action
    reasons: tuple[str, ...]
    causes: tuple[VerdictCause, ...]


DRIFT: Final = frozenset(
    {
        WatchKind.FEATURES,
        WatchKind.NOVELTY,
        WatchKind.PREDICTIONS,
        WatchKind.TARGET,
        WatchKind.ESTIMATE,
        WatchKind.STALENESS,
        WatchKind.ATTRIBUTION,
    }
)
"""What moves beside a fault of the data although the world does not."""


_LEARNED: Final = "A training now would learn the fault of the data: a person decides."
_PERHAPS: Final = "A training now might learn a fault of the data: a person decides."


def judge(seen: Observation, spec: MonitoringSpec) -> Judgement:
    """What follows from a window, and why: what asks for most first, then the heaviest.

    A fault that explains what moved comes before it.
    """
    reasons = [reason for rule in RULES for reason in rule(seen, spec)]
    faults = [fault for rule in DATA_RULES for fault in rule(seen, spec)]
    found = _judged(reasons, faults, seen, spec)
    if found.action is Action.RETRAIN:
        return _suspected(found, faults, seen, spec)
    return found


def _judged(
    reasons: list[VerdictCause], faults: list[Fault], seen: Observation, spec: MonitoringSpec
) -> Judgement:
    broken = [each for each in faults if each.cause.action is not Action.REST]
    why = {
        place: explaining(each, broken, seen, spec)
        for place, each in enumerate(reasons)
        if each.kind in DRIFT and each.action is not Action.REST
    }
    told = [
        _held_back(each) if why.get(place) else _doubted(each, broken, seen, spec)
        for place, each in enumerate(reasons)
    ]
    first = [fault.cause for found in why.values() for fault in found]
    causes = [*(each.cause for each in faults), *told]
    causes.sort(key=_gravity(first), reverse=True)
    sentences = tuple(each.sentence for each in causes)
    action = max((each.action for each in causes), key=lambda each: each.rank, default=Action.REST)
    trainings = [each for each in told if each.action is Action.RETRAIN]
    if trainings and all(each.explained for each in trainings):
        return Judgement(Action.ASK, (_LEARNED, *sentences), tuple(causes))
    if [each.action for each in told] != [each.action for each in reasons] and not trainings:
        said = "The feed is at fault: what moved beside it is told, and not judged as drift."
        return Judgement(action, (said, *sentences), tuple(causes))
    return Judgement(action, sentences, tuple(causes))


def _suspected(
    found: Judgement, faults: list[Fault], seen: Observation, spec: MonitoringSpec
) -> Judgement:
    """The same, as a question where what is suspect may have made all that asks for a training.

    Nobody can tell a sensor that stood still for a quarter of a month, or labels that went to one
    class, from a world that does so. A person can.
    """
    suspects = [each for each in faults if each.suspect]
    broken = [each for each in faults if each.suspect or each.cause.action is not Action.REST]
    trainings = [each for each in found.causes if each.action is Action.RETRAIN]
    if not suspects or not all(suspected(each, broken, seen, spec) for each in trainings):
        return found
    told = [each.cause.model_copy(update={"action": Action.ALERT}) for each in suspects]
    marked = [each.model_copy(update={"explained": True}) for each in trainings]
    known = [*trainings, *(each.cause for each in suspects)]
    others = [each for each in found.causes if not any(each is one for one in known)]
    causes = (*marked, *told, *others)
    sentences = (each.sentence for each in causes)
    return Judgement(Action.ASK, (_PERHAPS, *sentences), causes)


def _held_back(cause: VerdictCause) -> VerdictCause:
    """The same cause, leading to no more than an alert: a fault of the data explains it."""
    least = min((cause.action, Action.ALERT), key=lambda each: each.rank)
    return cause.model_copy(update={"action": least, "explained": True})


def _doubted(
    cause: VerdictCause, faults: Sequence[Fault], seen: Observation, spec: MonitoringSpec
) -> VerdictCause:
    """The same cause, marked where faults may have made it: no later window builds upon it."""
    if cause.action is Action.REST or (cause.kind in DRIFT and cause.action is not Action.RETRAIN):
        return cause
    return cause.model_copy(update={"explained": questions(cause, faults, seen, spec)})


def _gravity(first: list[VerdictCause]) -> Callable[[VerdictCause], tuple[int, bool, float]]:
    def rank(cause: VerdictCause) -> tuple[int, bool, float]:
        return cause.action.rank, any(each is cause for each in first), cause.weight

    return rank
