"""What is declared of every model, each file read once for as long as nobody writes it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from infra.errors import PerennialError
from infra.settings import settings
from tasks.sections import Section
from tasks.spec import ModelSpec, declared_models, load_spec


@dataclass(frozen=True)
class Declared:
    """What numbers need of a declaration.

    Attributes:
        metric: that gates compare.
        limits: numbers that are declared, by their place; of `monitoring` by their name alone.
        budget: what trainings may use in seven days, by resource.
        rosters: whether it says who must have a prediction.
        objective: whether it says by when.
    """

    metric: str
    limits: Mapping[str, float]
    budget: Mapping[str, float] = field(default_factory=dict)
    rosters: bool = False
    objective: bool = False


class Declarations:
    """The models that are declared, and what each says; None for one that cannot be read."""

    def __init__(self) -> None:
        self.known: dict[str, Declared | None] = {}
        self._written: dict[str, int] = {}

    def look(self) -> Mapping[str, Declared | None]:
        """The models that are declared now."""
        written = {model: _written(_file(model)) for model in declared_models()}
        self.known = {
            model: self.known[model] if self._written.get(model) == at else _read(model)
            for model, at in written.items()
        }
        self._written = written
        return self.known


def _file(model: str) -> Path:
    return settings().models / model / "model.yaml"


def _written(path: Path) -> int:
    """When it was written; 0 where it has gone meanwhile."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _read(model: str) -> Declared | None:
    try:
        spec = load_spec(model)
    except PerennialError:
        return None
    watched = spec.monitoring
    return Declared(
        metric=spec.evaluation.metric,
        limits=dict(_limits(spec)),
        budget=dict(_numbers(spec.policy.budget)),
        rosters=bool(watched.rosters),
        objective=watched.objective is not None,
    )


def _limits(spec: ModelSpec) -> Iterator[tuple[str, float]]:
    yield from _numbers(spec.monitoring)
    for roster in spec.monitoring.rosters:
        yield from _numbers(roster, f"rosters.{roster.column}.")
    others = {
        "data": spec.data,
        "gates": spec.gates,
        "approval": spec.approval,
        "policy": spec.policy,
        "verify": spec.verify,
    }
    for name, section in others.items():
        yield from _numbers(section, f"{name}.")


def _numbers(section: Section, place: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a block and of those in it, each by its place; lengths of time in seconds."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _numbers(value, f"{place}{name}.")
        elif isinstance(value, timedelta):
            yield f"{place}{name}", value.total_seconds()
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{place}{name}", value
