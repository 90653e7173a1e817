"""What a proof does not put to the test, by the declaration or by its own nature."""

from typing import Final

from tasks.spec import ModelSpec

_BY_CALENDAR: Final = {
    "monitoring.max_age": "a shadow's champion is in charge all the time, however old",
    "monitoring.max_data_age": "a window is looked at when its labels come, and none after it",
    "policy.every": "a training that was due by the calendar is no alarm",
}
"""What time alone brings about, with why no shift and no silence can be told by it."""


def without_calendar(spec: ModelSpec) -> ModelSpec:
    """The declaration without what time alone brings about."""
    found = spec
    for name in _BY_CALENDAR:
        section, field = name.split(".")
        held = getattr(found, section).model_copy(update={field: None})
        found = found.model_copy(update={section: held})
    return found


def untried(spec: ModelSpec) -> dict[str, str]:
    """Kinds that the declaration leaves out, and limits that no shadow can be held to, with why."""
    without = {
        kind.value: "the declaration leaves it out" for kind in spec.verify.continuous.without
    }
    return without | {name: why for name, why in _BY_CALENDAR.items() if _declared(spec, name)}


def _declared(spec: ModelSpec, name: str) -> bool:
    section, field = name.split(".")
    return getattr(getattr(spec, section), field) is not None
