"""The declaration of a model: ``model.yaml``, composed of its stages' sections."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from infra.errors import ConfigError, few
from infra.settings import settings
from tasks.data.spec import DataSpec
from tasks.evaluation.spec import EvaluationSpec, GateSpec
from tasks.features.spec import FeatureSpec
from tasks.governance.spec import ApprovalSpec
from tasks.monitoring.spec import MonitoringSpec
from tasks.packaging.spec import ServingSpec
from tasks.schedules import ScheduleSpec
from tasks.sections import Section
from tasks.training.spec import TrainingSpec

_NAME: Final = r"[a-z][a-z0-9_]{0,39}"
ModelName = Annotated[str, StringConstraints(pattern=f"^{_NAME}$")]


class ModelSpec(Section):
    """Everything that one model is, as its folder declares it."""

    name: ModelName
    title: str
    owner: str
    data: DataSpec
    features: FeatureSpec
    training: TrainingSpec
    evaluation: EvaluationSpec
    gates: GateSpec = GateSpec()
    approval: ApprovalSpec = ApprovalSpec()
    monitoring: MonitoringSpec = MonitoringSpec()
    serving: ServingSpec = ServingSpec()
    schedules: tuple[ScheduleSpec, ...] = ()
    folder: Path = Field(exclude=True, description="Where it was read from; not part of the file.")


def declared_models(models: Path | None = None) -> tuple[str, ...]:
    """Names of the folders that declare a model, sorted."""
    root = models or settings().models
    return tuple(sorted(path.parent.name for path in root.glob("*/model.yaml")))


def require_name(name: str) -> None:
    """Nothing, where a model may bear the name: it is that of a folder, a table and a deployment.

    Raises:
        ConfigError: it may not; it says what a name is made of.
    """
    if not re.fullmatch(_NAME, name):
        raise ConfigError(
            f"{name!r} cannot name a model.",
            hint="A name is a small letter, then up to 39 small letters, digits and underscores.",
        )


def load_spec(name: str, models: Path | None = None) -> ModelSpec:
    """The declaration of a model.

    Raises:
        ConfigError: there is no such model, the file is no YAML, or it holds a mistake.
    """
    require_name(name)
    root = models or settings().models
    path = root / name / "model.yaml"
    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        declared = declared_models(root)
        close = get_close_matches(name, declared, n=1)
        raise ConfigError(
            f"There is no model {name!r} under {root}.",
            hint=f"Did you mean {close[0]}?"
            if close
            else f"Declared there: {few(declared) or 'none'}. `perennial new {name}` writes one.",
        ) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}.") from error
    return _validated(document, path, name)


def _validated(document: object, path: Path, name: str) -> ModelSpec:
    if not isinstance(document, dict):
        raise ConfigError(f"{path} holds no declaration: it must be a mapping of sections.")
    try:
        spec = ModelSpec.model_validate({**document, "folder": path.parent})
    except ValidationError as error:
        faults = [_sentence(fault) for fault in error.errors()]
        raise ConfigError(f"{path}: {few(faults)}.", faults=faults) from error
    if spec.name != name:
        raise ConfigError(f"{path} declares {spec.name!r}, but its folder is called {name!r}.")
    return spec


def _sentence(fault: ErrorDetails) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] != "extra_forbidden":
        return f"{place}: {fault['msg'].lower()}"
    close = get_close_matches(str(fault["loc"][-1]), _known_fields(fault["loc"][:-1]), n=1)
    return f"{place} is not known" + (f"; did you mean {close[0]}?" if close else "")


def _known_fields(place: tuple[int | str, ...]) -> list[str]:
    section: type[Section] = ModelSpec
    for part in place:
        field = section.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type):
            return []
        if not issubclass(field.annotation, Section):
            return []
        section = field.annotation
    return list(section.model_fields)
