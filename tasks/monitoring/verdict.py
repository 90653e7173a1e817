"""The verdict of a window: rest, alert, ask or retrain, each with its reasons.

Three things ask for a training: the window lies beyond what the champion learned from; the
champion falls short of its own confidence by more than when it was promoted; features moved and
nearly as many labelled rows have come since as it learned from. The rest alerts.

Beside a fault of the data that by itself moves features (an outage, a feed that lost a part, a
broken column) what moved is told and alerts, because nobody can tell it from drift. A fall of the
performance stays one, but becomes a question: a training would learn the fault. What is done about
it is the policy's to say.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tasks.monitoring.causes import Observation
from tasks.monitoring.data_rules import DATA_RULES
from tasks.monitoring.rules import RULES
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import Action, VerdictCause, WatchKind


class Judgement(NamedTuple):
    """What follows from a window: the reasons in sentences, the same as causes by kind."""

    action: Action
    reasons: tuple[str, ...]
    causes: tuple[VerdictCause, ...]


EXPLAINING: Final = frozenset(
    {WatchKind.VOLUME, WatchKind.MISSING, WatchKind.LATE, WatchKind.QUALITY}
)
"""Faults beside which features, predictions and labels move although the world does not."""

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
"""What such a fault moves."""


def judge(seen: Observation, spec: MonitoringSpec) -> Judgement:
    """What follows from a window, and why: what asks for most first, then the heaviest.

    A fault that explains what moved comes before it.
    """
    reasons = [reason for rule in RULES for reason in rule(seen, spec)]
    faults = [reason for rule in DATA_RULES for reason in rule(seen, spec)]
    broken = [each for each in faults if each.action is not Action.REST]
    explained = any(each.kind in EXPLAINING for each in broken)
    told = [_held_back(each) if explained else each for each in reasons]
    causes = tuple(sorted([*faults, *told], key=_gravity(explained=explained), reverse=True))
    sentences = tuple(each.sentence for each in causes)
    action = max((each.action for each in causes), key=lambda each: each.rank, default=Action.REST)
    if action is Action.RETRAIN and broken:
        said = "A training now would learn the fault of the data: a person decides."
        return Judgement(Action.ASK, (said, *sentences), causes)
    if told != reasons:
        said = "The feed is at fault: what moved beside it is told, and not judged as drift."
        return Judgement(action, (said, *sentences), causes)
    return Judgement(action, sentences, causes)


def _held_back(cause: VerdictCause) -> VerdictCause:
    """The same cause, leading to no more than an alert if a fault of the feed explains it."""
    if cause.kind not in DRIFT or cause.action.rank <= Action.ALERT.rank:
        return cause
    return cause.model_copy(update={"action": Action.ALERT})


def unjudged(seen: Observation, spec: MonitoringSpec) -> tuple[str, ...]:
    """What could not be judged of a window, each with why."""
    if not seen.rows:
        return ("Everything: the window has no rows.",)
    few_rows = f"{seen.rows:,} of the {spec.min_rows:,} rows that it takes"
    found = []
    if not seen.profiled:
        found.append(f"Drift: version {seen.champion} has no profile.")
    elif seen.drift is None:
        found.append(f"Drift: the window has {few_rows}.")
    if seen.performance is None:
        found.append(f"Performance: {_why_unknown(seen, spec)}.")
    return (*found, *_untold(seen, spec))


def _untold(seen: Observation, spec: MonitoringSpec) -> Iterator[str]:
    """What somebody declared and what the window does not tell."""
    if spec.objective and not seen.feed.made:
        yield "Lateness: no prediction says when it was made."
    for each in seen.absences:
        if not each.roster:
            yield f"Roster {each.column}: nobody stands in it."
    if spec.slices and seen.performance and not seen.slices:
        yield f"Slices: none has {spec.slices.min_rows:,} labels."
    if spec.attribution and seen.drift and seen.attribution is None:
        yield "Attribution: no rows are at hand, or the champion says the same of all of them."


def _why_unknown(seen: Observation, spec: MonitoringSpec) -> str:
    if seen.scored_by != seen.champion:
        return f"version {seen.scored_by} predicted the window, and not the champion"
    if seen.labelled < spec.min_rows:
        return f"{seen.labelled:,} of the {spec.min_rows:,} labels that it takes are known"
    return "the metric cannot be told of these labels"


def _gravity(*, explained: bool) -> Callable[[VerdictCause], tuple[int, bool, float]]:
    def rank(cause: VerdictCause) -> tuple[int, bool, float]:
        return cause.action.rank, explained and cause.kind in EXPLAINING, cause.weight

    return rank
