"""The code that a model's folder brings along, resolved from import strings."""

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from infra.errors import ConfigError


def resolve(folder: Path, import_string: str) -> Callable[..., Any]:
    """What an import string names, looked up in the model's folder alone.

    Args:
        folder: the model's folder.
        import_string: ``module:name``, as in ``features:build``.

    Raises:
        ConfigError: no such module or name, or the module fails while it is imported.
    """
    module_name, _, attribute = import_string.partition(":")
    module = _load(folder, module_name, import_string)
    try:
        found = getattr(module, attribute)
    except AttributeError as error:
        raise ConfigError(f"{import_string}: {module.__file__} has no {attribute!r}.") from error
    if not callable(found):
        raise ConfigError(f"{import_string} in {folder} is {type(found).__name__}, no function.")
    resolved: Callable[..., Any] = found
    return resolved


def code_digest(folder: Path) -> str:
    """SHA-256 over the Python files of a model's folder, by name and content."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        if "__pycache__" not in path.parts:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def _load(folder: Path, module_name: str, import_string: str) -> ModuleType:
    path = folder.joinpath(*module_name.split(".")).with_suffix(".py")
    if not path.is_file():
        raise ConfigError(f"{import_string}: there is no file {path}.")
    # Folders of different models hold modules of the same name: ours are kept apart by path.
    name = f"perennial_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise ConfigError(f"{import_string}: {path} cannot be imported.")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(
            f"{import_string}: {path} fails while it is imported: {type(error).__name__}: {error}."
        ) from error
    return module
