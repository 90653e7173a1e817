"""Exact versions of what an artifact needs, taken from the one lock."""

import re

from infra.errors import ConfigError
from infra.identity import LOCK

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def pins(*distributions: str) -> list[str]:
    """``name==version`` of each distribution, in the order asked for.

    Raises:
        ConfigError: the lock does not hold one of them, or there is no lock.
    """
    try:
        held = {_same(name): version for name, version in _PIN.findall(LOCK.read_text("utf-8"))}
        return [f"{name}=={held[_same(name)]}" for name in distributions]
    except FileNotFoundError as error:
        raise ConfigError(f"The lock file {LOCK} is missing; check it out anew.") from error
    except KeyError as error:
        raise ConfigError(
            f"{LOCK.name} holds no version of {error.args[0]}.",
            hint="Add it to the dependencies in pyproject.toml and make the lock anew.",
        ) from error


def _same(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
