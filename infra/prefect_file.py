"""The git-ignored ``prefect.toml`` by which Prefect's own command finds the server."""

import tomllib
from pathlib import Path

from infra.addresses import addresses
from infra.private import clear_errors
from infra.settings import PROJECT, settings

_MARK = "# Written by `perennial up`: Prefect's command, run in this folder, finds the server."


def write() -> bool:
    """Whether the file now names this home's server.

    It is written for a home inside the project only, so that homes elsewhere do not compete for
    it, and never over a file that somebody else wrote.
    """
    path = PROJECT / "prefect.toml"
    if not settings().home.is_relative_to(PROJECT):
        return False
    if path.exists() and not path.read_text().startswith(_MARK):
        return False
    text = contents()
    with clear_errors():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    return True


def contents() -> str:
    """The file's text: where this home's server is, and that nothing is told to anybody."""
    return (
        f"{_MARK}\n"
        f'home = "{settings().home / "prefect"}"\n\n'
        f'[api]\nurl = "{addresses().prefect_api}"\n\n'
        "[server]\nanalytics_enabled = false\n"
    )


def found_from(folder: Path) -> bool:
    """Whether Prefect's command, run in a folder, finds this home's server by a file there."""
    try:
        told = tomllib.loads((folder / "prefect.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or one that Prefect cannot read either
        return False
    api = told.get("api")
    return isinstance(api, dict) and api.get("url") == addresses().prefect_api
