"""``.venv`` is made from the lock when it is missing or stale, and not otherwise."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.settings import PROJECT

TOOLS = ("sh", "dirname", "cat", "cksum")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose ``.venv`` is as the lock says, with a pip that only says it was called."""
    for name in (".ci/venv", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    bin_folder = tmp_path / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    python = bin_folder / "python"
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] && echo "$@" || exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    for name, file in (("lock", "requirements.lock"), ("project", "pyproject.toml")):
        told = subprocess.run(["cksum", file], cwd=tmp_path, capture_output=True, check=True)  # noqa: S607 - POSIX
        (tmp_path / ".venv" / f"{name}-digest").write_bytes(told.stdout)
    return tmp_path


def make(checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The end of the script, in an environment of these variables alone."""
    return subprocess.run(
        [checkout / ".ci" / "venv"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_an_environment_that_is_as_the_lock_says_is_left_alone(checkout: Path) -> None:
    """Nothing is installed and nothing printed, even in an empty environment."""
    done = make(checkout)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_changed_project_file_installs_the_project_alone(checkout: Path) -> None:
    """A new entry point takes seconds, not a new environment."""
    with (checkout / "pyproject.toml").open("a") as file:
        file.write("\n# changed\n")

    done = make(checkout)

    assert done.returncode == 0, done.stderr
    assert "--editable ." in done.stdout
    assert "requirements.lock" not in done.stdout
    assert make(checkout).stdout == ""


def test_a_changed_lock_without_a_python_that_fits_says_what_to_do(checkout: Path) -> None:
    """The first sentence names the versions, the second the package and the variable."""
    (checkout / "requirements.lock").write_text("# another\n")
    tools = checkout / "tools"
    tools.mkdir()
    for tool in TOOLS:
        (tools / tool).symlink_to(shutil.which(tool) or tool)

    done = make(checkout, PATH=str(tools))

    assert done.returncode == 1
    assert done.stderr.startswith("No Python 3.11, 3.12 or 3.13 with venv on PATH.")
    assert "PYTHON=" in done.stderr
    assert (checkout / ".venv" / "bin" / "python").exists()
