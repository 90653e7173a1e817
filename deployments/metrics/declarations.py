"""What is declared of every model, each file read once for as long as nobody writes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.errors import PerennialError
from infra.settings import settings
from tasks.spec import declared_models, load_spec


@dataclass(frozen=True)
class Declared:
    """What numbers need of a declaration.

    Attributes:
        metric: that gates compare.
        limits: of what is watched, by name.
        rosters: whether it says who must have a prediction.
        objective: whether it says by when.
    """

    metric: str
    limits: Mapping[str, float]
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
        limits={"psi": watched.psi, "severity": watched.severity},
        rosters=bool(watched.rosters),
        objective=watched.objective is not None,
    )
