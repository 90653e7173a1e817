"""Where a delivery lies, and the suites and code that it is held to."""

import hashlib
import os
from pathlib import Path

from infra.errors import ConfigError, DataError, few
from infra.plugins import resolve
from infra.settings import PROJECT, settings
from tasks.data.fetching import fetch
from tasks.data.inspection import Contract
from tasks.data.spec import DataSpec, TableSpec
from tasks.references import Delivery
from tasks.windows import EVERYTHING, grain_of


def locate(model: str, data: DataSpec, files: dict[str, str]) -> dict[str, str]:
    """Table to URI: what was delivered for it, or else its declared source.

    Raises:
        ConfigError: a file is given for a table that is not declared.
    """
    unknown = sorted(set(files) - set(data.tables))
    if unknown:
        raise ConfigError(
            f"{model} has no table {few([repr(name) for name in unknown])}.",
            hint=f"Its tables are {few(list(data.tables))}.",
        )
    return {
        table: _absolute(model, files.get(table, spec.path)) for table, spec in data.tables.items()
    }


def sha256(data: bytes) -> str:
    """The digest of bytes."""
    return hashlib.sha256(data).hexdigest()


def contents(delivery: Delivery, data: DataSpec) -> dict[str, tuple[bytes, bool]]:
    """Table to its bytes, and whether they hold more than the window, in the order declared.

    Raises:
        DataError: a file is gone, or is another one than was received.
    """
    declared = locate(delivery.model, data, {})
    found = {}
    for table, spec in data.tables.items():
        location = delivery.files[table]
        content = fetch(table, location)
        if sha256(content) != delivery.digests[table]:
            raise DataError(f"{table}: {location} has changed since it was received.")
        found[table] = (content, _is_source(delivery, table, spec, declared[table]))
    return found


def contract_of(delivery: Delivery, data: DataSpec) -> Contract:
    """What a delivery is held to.

    Raises:
        ConfigError: a suite that is named is not there, or the observer does not import.
    """
    folder = settings().models / delivery.model
    suites = {
        table: path
        for table, spec in data.tables.items()
        if (path := suite_of(delivery.model, table, spec)) is not None
    }
    observe = None if data.observe is None else resolve(folder, data.observe)
    return Contract(data, delivery.window, delivery.as_of, suites, observe)


def _is_source(delivery: Delivery, table: str, spec: TableSpec, declared: str) -> bool:
    many = bool(spec.calendar) and grain_of(delivery.window) != EVERYTHING
    return many and delivery.files[table] == declared


def unused_suites(model: str, data: DataSpec) -> list[Path]:
    """Files among a model's suites that no table of it is held to, sorted."""
    used = {suite_of(model, table, spec) for table, spec in data.tables.items()}
    return sorted(set((PROJECT / "expectations" / model).glob("*.json")) - used)


def suite_of(model: str, table: str, spec: TableSpec) -> Path | None:
    """The file of a table's suite, or None where none is declared and none is there.

    Raises:
        ConfigError: the suite that is named is not there.
    """
    name = f"{spec.suite or table}.json"
    folders = (PROJECT / "expectations" / model, settings().models / model / "expectations")
    for folder in folders:
        if os.path.lexists(folder / name):  # a folder or a broken link is no contract left out
            return folder / name
    if spec.suite is not None:
        raise ConfigError(
            f"{model} names the suite {spec.suite}, but there is no {folders[0] / name}."
        )
    return None


def _absolute(model: str, location: str) -> str:
    if "://" in location:
        return location
    return str((settings().models / model / location).absolute())
