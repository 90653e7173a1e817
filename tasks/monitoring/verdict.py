"""The verdict of a window: rest, alert, ask or retrain, each with its reasons.

Three things ask for a training: the window lies beyond what the champion learned from; the
champion falls short of its own confidence by more than when it was promoted; features moved and
nearly as many labelled rows have come since as it learned from. A fault of the data turns that
into a question, because a training would learn the fault. The rest alerts. What is done about it
is the policy's to say.
"""

from typing import NamedTuple

from tasks.monitoring.causes import Observation
from tasks.monitoring.data_rules import DATA_RULES
from tasks.monitoring.rules import RULES
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import Action, VerdictCause


class Judgement(NamedTuple):
    """What follows from a window: the reasons in sentences, the same as causes by kind."""

    action: Action
    reasons: tuple[str, ...]
    causes: tuple[VerdictCause, ...]


def judge(seen: Observation, spec: MonitoringSpec) -> Judgement:
    """What follows from a window, and why: what asks for most first, then the heaviest."""
    reasons = [reason for rule in RULES for reason in rule(seen, spec)]
    faults = [reason for rule in DATA_RULES for reason in rule(seen, spec)]
    causes = tuple(sorted([*reasons, *faults], key=_gravity, reverse=True))
    sentences = tuple(each.sentence for each in causes)
    action = causes[0].action if causes else Action.REST
    if action is Action.RETRAIN and any(fault.action is not Action.REST for fault in faults):
        said = "A training now would learn the fault of the data: a person decides."
        return Judgement(Action.ASK, (said, *sentences), causes)
    return Judgement(action, sentences, causes)


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
    return tuple(found)


def _why_unknown(seen: Observation, spec: MonitoringSpec) -> str:
    if seen.scored_by != seen.champion:
        return f"version {seen.scored_by} predicted the window, and not the champion"
    if seen.labelled < spec.min_rows:
        return f"{seen.labelled:,} of the {spec.min_rows:,} labels that it takes are known"
    return "the metric cannot be told of these labels"


def _gravity(cause: VerdictCause) -> tuple[int, float]:
    return cause.action.rank, cause.weight
