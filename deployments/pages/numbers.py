"""Every number behind a verdict: in its own unit, beside the limit that is declared for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deployments.pages.course import told
from deployments.pages.money import in_money
from deployments.pages.story import Judged
from tasks.metrics import direction
from tasks.monitoring.spec import MonitoringSpec
from tasks.spec import ModelSpec

_SHARES: Final = {"unlabelled", "novelty", "late", "attribution_change", "staleness"}
_COUNTS: Final = {"overdue", "absent"}
_DAYS: Final = {"overdue_days"}
_MONEY: Final = {"value", "value_gained"}
_EITHER_SIDE: Final = "calibration_gap"


@dataclass(frozen=True)
class Number:
    """One number as it is shown.

    Attributes:
        name: what it is.
        text: the number in its unit.
        limit: that is declared for it, in words; empty where none is.
    """

    name: str
    text: str
    limit: str = ""


def numbers_of(newest: Judged, spec: ModelSpec) -> tuple[Number, ...]:
    """The numbers of a window, in the order of its report."""
    value = spec.monitoring.value
    currency, notes = value.currency if value else "", _notes(spec.monitoring)
    return tuple(
        Number(
            name=name.replace("_", " "),
            text=_text(name, number, currency),
            limit=notes.get(name) or _beside(name, number, limits_of(spec).get(name)),
        )
        for name, number in newest.metrics.items()
    )


def limits_of(spec: ModelSpec) -> Mapping[str, float]:
    """The most that a number may be, by its name; of a gap to either side."""
    watched = spec.monitoring
    error = direction(spec.evaluation.metric) < 0
    return {
        "severity": watched.severity,
        "novelty": watched.max_novelty,
        "staleness": watched.max_staleness,
        "prediction_psi": watched.max_prediction_psi,
        "fall": watched.max_error_growth if error else watched.max_drop,
        **_optional(watched, spec.data.label.kind),
    }


def _optional(watched: MonitoringSpec, label: str) -> dict[str, float]:
    """Of what is watched only where it is declared."""
    found = {
        "target_psi": watched.max_target_psi,
        "attribution_change": watched.attribution.max_change if watched.attribution else None,
        "late": 1 - watched.objective.share if watched.objective else None,
        # Of numbers the gap is held to deviations of the label, which the verdict does not keep.
        "calibration_gap": None if label == "regression" else watched.max_calibration_gap,
    }
    return {name: limit for name, limit in found.items() if limit is not None}


def _notes(watched: MonitoringSpec) -> dict[str, str]:
    """Limits of what is held to the rows of a window."""
    found = {"overdue": f"limit {watched.max_unlabelled * 100:g}% of the predictions"}
    if watched.value and watched.value.least is not None:
        found["value"] = f"at least {in_money(watched.value.least)} a row"
    if len(watched.rosters) == 1:
        found["absent"] = f"limit {watched.rosters[0].may_miss}"
    return found


def _beside(name: str, number: float, limit: float | None) -> str:
    """A limit in words that say whether it is kept, for eyes that do not tell the colours."""
    if limit is None:
        return ""
    beyond = (abs(number) if name == _EITHER_SIDE else number) > limit
    return f"{'above' if beyond else 'limit'} {_text(name, limit, '', short=True)}"


def _text(name: str, value: float, currency: str, *, short: bool = False) -> str:
    """A number in its unit; a limit as it is declared."""
    if name in _SHARES:
        return f"{value * 100:.4g}%" if short else f"{value:.1%}"
    if name in _COUNTS:
        return f"{value:,.0f}"
    if name in _DAYS:
        return f"{value:,.1f} d"
    if name in _MONEY:
        return in_money(value, currency)
    if short:
        return f"{value:g}"
    return f"{value:.4f}" if abs(value) < 10 else told(value)  # noqa: PLR2004 - a share's digits
