"""Columns that a declaration names outside of its features: that the model does not have."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from infra.errors import few
from tasks.evaluation.spec import EvaluationSpec
from tasks.features.spec import FeatureSpec
from tasks.monitoring.spec import MonitoringSpec


def misnamed(
    features: FeatureSpec, evaluation: EvaluationSpec, monitoring: MonitoringSpec
) -> Iterator[str]:
    """A sentence for each place that names a column which the model does not have.

    Args:
        features: the model's columns.
        evaluation: by whose values metrics are shown and groups compared.
        monitoring: who is expected, what is watched by itself, what may stand still.
    """
    held = dict.fromkeys((*features.key, *features.columns))
    rosters = [each.column for each in monitoring.rosters]
    slices = monitoring.slices.columns if monitoring.slices else ()
    yield from _unknown("evaluation.slices", evaluation.slices, held)
    yield from _unknown("evaluation.sensitive", evaluation.sensitive, held)
    yield from _unknown("monitoring.rosters", rosters, held)
    yield from _unknown("monitoring.slices", slices, held)
    yield from _unknown("monitoring.may_stand_still", monitoring.may_stand_still, features.columns)
    for each in monitoring.rosters:
        learned = not each.names and each.file is None
        if learned and each.column in held and each.column not in features.categorical:
            yield (
                f"monitoring.rosters: {each.column} is no categorical feature, so that nothing "
                "says who belongs to it; give the roster names or a file"
            )


def _unknown(place: str, names: Collection[str], held: Collection[str]) -> Iterator[str]:
    for name in (each for each in names if each not in held):
        close = get_close_matches(name, held, n=1)
        known = f"did you mean {close[0]}?" if close else f"known are {few(list(held))}"
        yield f"{place} names {name}, which is no column of the model; {known}"
