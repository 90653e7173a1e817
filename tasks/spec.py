"""The declaration of a model: ``model.yaml``, composed of its stages' sections."""

import os
import re
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

from infra.errors import ConfigError, DataError, fault, few
from infra.files import read_file, shown
from infra.settings import settings
from tasks.contradictions import contradictions, unkept
from tasks.data.spec import DataSpec
from tasks.evaluation.spec import EvaluationSpec, GateSpec
from tasks.features.spec import FeatureSpec
from tasks.governance.notices import AlertSpec
from tasks.governance.policy_spec import PolicySpec
from tasks.governance.spec import ApprovalSpec
from tasks.governance.triggers import TriggersSpec
from tasks.monitoring.spec import MonitoringSpec
from tasks.named_columns import misnamed
from tasks.packaging.spec import ServingSpec
from tasks.schedules import CalendarSpec, FlowName, ScheduleSpec, called
from tasks.sections import Section
from tasks.training.spec import TrainingSpec
from tasks.verification.spec import VerifySpec

_NAME: Final = r"[a-z][a-z0-9_]{0,39}"
ModelName = Annotated[str, StringConstraints(pattern=f"^{_NAME}$")]


_MOST_BYTES: Final = 1 << 20
"""No declaration that people write by hand comes near it; YAML takes a second for each MiB."""

_MOST_VALUES: Final = 100_000
"""A million columns or a few lines of nested aliases: neither is a declaration."""

_DEEPEST: Final = 50
_LONGEST: Final = 300
_NO_YAML: Final = (YAMLError, ValueError, TypeError, OverflowError, RecursionError)
"""What ruamel.yaml raises: of a day that does not exist, say, or a key that is a list."""


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
    policy: PolicySpec = PolicySpec()
    triggers: TriggersSpec = TriggersSpec()
    alerts: tuple[AlertSpec, ...] = ()
    serving: ServingSpec = ServingSpec()
    schedules: tuple[ScheduleSpec, ...] = ()
    calendar: CalendarSpec = CalendarSpec()
    verify: VerifySpec = VerifySpec()
    folder: Path = Field(exclude=True, description="Where it was read from; not part of the file.")

    def frozen(self, flow: FlowName, at: datetime) -> str | None:
        """Why a flow should not start at a time, and until when; None where it may.

        Events of a calendar that others keep count as they were last read.
        """
        from tasks.calendars.holding import freeze_at  # reads iCalendars, which few models have

        found = freeze_at(self.calendar, self.folder, flow, at, ZoneInfo(self.data.timezone))
        return None if found is None else found.words

    @model_validator(mode="after")
    def _names_once(self) -> "ModelSpec":
        for flow in {each.flow for each in self.schedules}:
            called([each for each in self.schedules if each.flow == flow])
        return self

    @model_validator(mode="after")
    def _agrees(self) -> "ModelSpec":
        found = contradictions(
            self.policy, self.monitoring, self.triggers, self.alerts, self.data.grain
        )
        unmet = unkept(self.policy, self.verify.continuous, self.calendar.freezes)
        for said in (*found, *unmet):
            raise ValueError(said)
        return self

    @model_validator(mode="after")
    def _names_columns_of_its_own(self) -> "ModelSpec":
        for said in misnamed(self.features, self.evaluation, self.monitoring):
            raise ValueError(said)
        return self

    @model_validator(mode="after")
    def _value_fits_the_label(self) -> "ModelSpec":
        value, kind = self.monitoring.value, self.data.label.kind
        misfit = value.misfit(kind) if value else None
        if misfit:
            raise ValueError(f"monitoring.value: {misfit}")
        return self


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
    if not os.path.lexists(path):
        declared = declared_models(root)
        close = get_close_matches(name, declared, n=1)
        raise ConfigError(
            f"There is no model {name!r} under {root}.",
            hint=f"Did you mean {close[0]}?"
            if close
            else f"Declared there: {few(declared) or 'none'}. `perennial new {name}` writes one.",
        )
    try:
        content = read_file(path, _MOST_BYTES)
    except DataError as error:
        raise ConfigError(f"The declaration of {shown(name)}: {error.args[0]}") from error
    return _validated(document(content, path), path, name)


def document(content: bytes, path: Path) -> object:
    """What the YAML of a declaration says; aliases may repeat a part, but not without end.

    Raises:
        ConfigError: it is no YAML, is too large once it is unfolded, or a key comes twice.
    """
    try:
        text = content.decode("utf-8-sig")
        _refuse_depth(text, path)
        found = YAML(typ="safe").load(text)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path} is not UTF-8: byte {error.start} in line {line} does not fit.",
            hint="Save the file as UTF-8 and run the command again.",
        ) from error
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1
        raise ConfigError(
            f"{path} is no YAML: {shown(error.problem)[:_LONGEST]}, in line {line}.",
            hint="A key counts once in its section: remove one of the two lines.",
        ) from error
    except _NO_YAML as error:
        said = shown(" ".join(str(error).split()))[:_LONGEST]
        raise ConfigError(f"{path} is no YAML: {said or 'it is nested too deeply'}.") from error
    _refuse_bomb(found, path)
    return found


def _refuse_depth(text: str, path: Path) -> None:
    """Looked at event by event: what builds the document descends, and ends the whole process."""
    depth = 0
    for event in YAML(typ="safe").parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _DEEPEST:
            raise ConfigError(f"{path} is no YAML of a declaration: it nests {depth} levels deep.")


def _refuse_bomb(found: object, path: Path) -> None:
    left, seen = [found], 0
    while left:
        value, seen = left.pop(), seen + 1
        if seen > _MOST_VALUES:
            raise ConfigError(
                f"{path} unfolds to more than {_MOST_VALUES:,} values.",
                hint="Write out what its anchors (&) and aliases (*) repeat, or take them out.",
            )
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list | set | tuple):
            left += value


def _validated(document: object, path: Path, name: str) -> ModelSpec:
    if not isinstance(document, dict):
        held = "nothing" if document is None else f"a {type(document).__name__}"
        raise ConfigError(
            f"{path} holds {held}, and no declaration: it must be a mapping of sections.",
            hint=f"`perennial new {shown(name)}` writes one; docs/declaration.md describes it.",
        )
    if "folder" in document:
        raise ConfigError(f"{path}: folder is not known.", hint="Remove the line: it is read off.")
    try:
        spec = ModelSpec.model_validate({**document, "folder": path.parent})
    except ValidationError as error:
        faults = [_sentence(each) for each in error.errors()]
        raise ConfigError(f"{path}: {few(faults)}.", faults=faults) from error
    if spec.name != name:
        raise ConfigError(f"{path} declares {spec.name!r}, but its folder is called {name!r}.")
    return spec


def _sentence(found: ErrorDetails) -> str:
    place = shown(".".join(str(part) for part in found["loc"]))[:_LONGEST]
    if found["type"] == "value_error":  # a sentence of ours, with names as they are written
        return fault(place, found["msg"])
    if found["type"] != "extra_forbidden":
        if found["input"] is None:
            return f"{place} is empty: give it a value, or remove the line"
        if found["type"] == "model_type":
            return f"{place} must be a mapping of its fields"
        return fault(place, found["msg"].lower())
    close = get_close_matches(str(found["loc"][-1]), _known_fields(found["loc"][:-1]), n=1)
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
