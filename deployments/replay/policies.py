"""The policies of a replay: by name, or as a file with other sections of the declaration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from infra.errors import ConfigError, DataError, fault, few
from infra.files import read_file
from tasks.governance.policy import named_policy
from tasks.governance.policy_spec import PolicySpec
from tasks.monitoring.spec import MonitoringSpec
from tasks.spec import ModelSpec, document

_SECTIONS: Final = ("policy", "monitoring")
_MOST_BYTES: Final = 1 << 16


@dataclass(frozen=True)
class Rules:
    """What a model is watched by and what follows, under one name."""

    name: str
    policy: PolicySpec
    monitoring: MonitoringSpec


def rules_of(spec: ModelSpec, texts: list[str]) -> tuple[Rules, ...]:
    """The policies that were asked for, each once.

    Args:
        spec: the declaration, which others are built on.
        texts: each the name of a policy, or ``NAME=FILE`` with a YAML file of the sections
            `policy` and `monitoring`, or of parts of them.

    Raises:
        ConfigError: there is no such policy or file, it is wrong, or a name comes twice.
    """
    found = tuple(_rules(spec, text) for text in texts)
    names = [each.name for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"The policy {few(twice)} is named twice.", hint="Give a file another name: NAME=FILE."
        )
    return found


def _rules(spec: ModelSpec, text: str) -> Rules:
    name, is_file, path = text.partition("=")
    if not is_file:
        return Rules(name, named_policy(name, spec.policy), spec.monitoring)
    if not name:
        raise ConfigError(f"{text} gives the policy no name.", hint="Write NAME=FILE.")
    changed = _sections(Path(path))
    try:
        return Rules(
            name,
            PolicySpec.model_validate(_merged(spec.policy, changed.get("policy"))),
            MonitoringSpec.model_validate(_merged(spec.monitoring, changed.get("monitoring"))),
        )
    except ValidationError as error:
        faults = [fault(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        raise ConfigError(f"The policy {name} of {path} is wrong: {few(faults)}.") from error


def _merged(section: PolicySpec | MonitoringSpec, changed: object) -> dict[str, Any]:
    own = section.model_dump()
    if changed is None:
        return own
    if not isinstance(changed, dict):
        raise ConfigError("A section of a policy's file must be a mapping of its fields.")
    return _over(own, changed)


def _over(own: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """Fields with others laid over them, at every depth: what is left out stays."""
    laid = {
        name: _over(own[name], value)
        if isinstance(value, dict) and isinstance(own.get(name), dict)
        else value
        for name, value in changed.items()
    }
    return {**own, **laid}


def _sections(path: Path) -> dict[str, Any]:
    try:
        content = read_file(path, _MOST_BYTES)
    except DataError as error:
        raise ConfigError(f"The policy's file cannot be read: {error}") from error
    found = document(content, path)
    if not isinstance(found, dict) or not set(found) <= set(_SECTIONS) or not found:
        raise ConfigError(
            f"{path} must hold the sections {few(list(_SECTIONS))}, or one of them, and no others.",
            hint="Write them as in model.yaml; what is left out stays as declared.",
        )
    return found
