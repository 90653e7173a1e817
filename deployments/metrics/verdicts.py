"""What is told of the window that was judged last."""

from collections.abc import Iterable, Mapping
from typing import Final

from deployments.metrics.declarations import Declared
from deployments.metrics.families import Sheet
from deployments.metrics.tally import end_of
from deployments.pages.course import value_of
from deployments.pages.story import Judged
from tasks.references import Action, Restraint

MOST_FEATURES: Final = 500
"""Of one model, for each name: those with the largest values. Prometheus keeps a series of each."""

MOST_SLICES: Final = 50
"""Of one model: those that are most surely worse."""

_RATIOS: Final = {
    "perennial_window_volume_ratio": "volume",
    "perennial_window_unscored_ratio": "unscored",
    "perennial_window_set_aside_ratio": "set_aside",
    "perennial_window_impossible_rows": "impossible_rows",
}
"""Names of their own for numbers of a verdict that are asked for most."""


def tell_verdict(sheet: Sheet, model: str, judged: Judged, declared: Declared | None) -> None:
    """Put down what is known of the window that was judged last.

    Args:
        sheet: where it goes.
        model: its name.
        judged: the window.
        declared: what its declaration says; None where that cannot be read.
    """
    end = end_of(judged.window)
    if end is not None:
        sheet.put("perennial_window_end_timestamp_seconds", end.timestamp(), model)
    sheet.put("perennial_verdict_timestamp_seconds", judged.at.timestamp(), model)
    _tell_conclusion(sheet, model, judged)
    sheet.put("perennial_verdict_unjudged", len(judged.unjudged), model)
    sheet.put("perennial_window_rows", judged.rows, model)
    for name, value in judged.metrics.items():
        sheet.put("perennial_window_number", value, model, name)
    for family, name in _RATIOS.items():
        if name in judged.metrics:
            sheet.put(family, judged.metrics[name], model)
    _tell_labels(sheet, model, judged)
    _tell_features(sheet, model, judged)
    _tell_slices(sheet, model, judged)
    if declared is not None:
        _tell_declared(sheet, model, judged, declared)


def _tell_conclusion(sheet: Sheet, model: str, judged: Judged) -> None:
    for action in Action:
        sheet.put("perennial_verdict_action", action is judged.action, model, action.value)
        sheet.put("perennial_verdict_asked", action is judged.asked, model, action.value)
    for reason in Restraint:
        sheet.put("perennial_policy_held", reason in judged.restraints, model, reason.value)
    for kind, weight in _weights(judged).items():
        sheet.put("perennial_verdict_cause_weight", weight, model, kind)


def _weights(judged: Judged) -> Mapping[str, float]:
    """The heaviest cause of each kind beyond its limit."""
    found: dict[str, float] = {}
    for each in judged.causes:
        if each.action is not Action.REST:
            found[each.kind.value] = max(each.weight, found.get(each.kind.value, 0.0))
    return found


def _tell_labels(sheet: Sheet, model: str, judged: Judged) -> None:
    if judged.labelled is not None:
        sheet.put("perennial_window_labelled_ratio", judged.labelled, model)
    for part, each in enumerate(judged.ages, start=1):
        share, days = each.labelled / each.rows, each.most.total_seconds() / 86_400
        sheet.put("perennial_labels_by_age_ratio", share, model, str(part))
        sheet.put("perennial_labels_by_age_days", days, model, str(part))


def _tell_features(sheet: Sheet, model: str, judged: Judged) -> None:
    told = {
        "perennial_feature_psi": judged.psi,
        "perennial_feature_missing_ratio": judged.missing,
        "perennial_feature_attribution_ratio": judged.attribution,
    }
    for name, values in told.items():
        for feature, value in _largest(values.items()):
            sheet.put(name, value, model, feature)


def _largest(values: Iterable[tuple[str, float]]) -> Iterable[tuple[str, float]]:
    return sorted(sorted(values, key=lambda item: -item[1])[:MOST_FEATURES])


def _tell_slices(sheet: Sheet, model: str, judged: Judged) -> None:
    found = {(each.column, each.value): each for each in reversed(judged.slices[:MOST_SLICES])}
    for names, each in found.items():
        part = model, *names
        sheet.put("perennial_slice_metric", each.now, *part)
        sheet.put("perennial_slice_further", each.further, *part)
        sheet.put("perennial_slice_beyond", each.beyond, *part)


def _tell_declared(sheet: Sheet, model: str, judged: Judged, declared: Declared) -> None:
    """What a window has only where it is declared, none of it being a number too."""
    metric, numbers = declared.metric, judged.metrics
    value, expected = value_of(judged, metric), numbers.get(f"expected_{metric}")
    if value is not None:
        sheet.put("perennial_window_metric", value, model, metric)
    if expected is not None:
        sheet.put("perennial_window_metric_expected", expected, model, metric)
    if judged.labelled is not None:
        sheet.put("perennial_window_overdue", numbers.get("overdue", 0), model)
    if declared.objective:
        sheet.put("perennial_window_late_ratio", numbers.get("late", 0), model)
    if declared.rosters:
        sheet.put("perennial_window_absent", numbers.get("absent", 0), model)
