"""What a checkout brings along: a ``.venv`` as the lock says, and settings that call nobody."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.settings import PROJECT

TOOLS = ("sh", "dirname", "cat", "cksum", "sed")


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
    version = ".".join(map(str, sys.version_info[:3]))
    made = f"version = {version}\ncommand = /usr/bin/python3 -m venv --clear {tmp_path}/.venv\n"
    (tmp_path / ".venv" / "pyvenv.cfg").write_text(made)
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


def why(checkout: Path) -> str:
    """Why the environment would be made anew."""
    command = [str(checkout / ".ci" / "venv"), "--why"]
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=True, cwd="/")
    return done.stdout.strip()


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


@pytest.mark.parametrize("carried", [shutil.move, shutil.copytree], ids=["moved", "copied"])
def test_a_checkout_that_was_moved_or_copied_gets_an_environment_of_its_own(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, carried: Callable[..., object]
) -> None:
    """Its scripts name the first place, and would run the code that is there."""
    other = tmp_path_factory.mktemp("elsewhere") / "of Zoë's [x] $HOME"

    carried(checkout, other)

    assert why(other) == "it was made in another folder"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda venv: venv.rename(venv.with_name("gone")), "there is none"),
        (lambda venv: (venv / "lock-digest").unlink(), "it was never finished"),
        (lambda venv: (venv.parent / "requirements.lock").write_text(""), "the lock has changed"),
        (lambda venv: (venv / "bin" / "python").unlink(), "its Python is gone"),
        (
            lambda venv: (venv / "pyvenv.cfg").write_text("version = 3.9.1\n"),
            "its Python is no longer 3.9",
        ),
    ],
    ids=["none", "cut-off", "lock", "no-python", "other-python"],
)
def test_what_became_of_an_environment_is_said(
    checkout: Path, harm: Callable[[Path], object], said: str
) -> None:
    """Cut off in the middle, another lock, another Python: each is made anew, with the reason."""
    harm(checkout / ".venv")

    assert why(checkout) == said


def test_prefects_own_command_calls_nobody_from_the_projects_folder(tmp_path: Path) -> None:
    """Before the first `perennial up` no server says so; the project file does."""
    ask = (
        "from prefect.settings import get_current_settings as now; "
        "raise SystemExit(now().server.analytics_enabled)"
    )
    command = [sys.executable, "-c", ask]
    (tmp_path / ".prefect").mkdir()
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)

    done = subprocess.run(command, env={"HOME": str(tmp_path)}, cwd=tmp_path, check=False)

    assert done.returncode == 0
