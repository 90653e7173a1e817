"""When ``.ci/venv`` makes the environment anew: what it says, of environments that went stale."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a finished environment, in a folder that is awkward to quote."""
    checkout = tmp_path_factory.mktemp("of Zoë's [x]")
    (checkout / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "venv", checkout / ".ci" / "venv")
    for name in ("requirements.lock", "pyproject.toml"):
        (checkout / name).write_text("old\n")
    command = [sys.executable, "-m", "venv", "--clear", "--without-pip", ".venv"]
    subprocess.run(command, cwd=checkout, check=True)
    digest = ["/bin/sh", "-c", "cksum requirements.lock >.venv/lock-digest"]
    subprocess.run(digest, cwd=checkout, check=True)
    return checkout


@pytest.fixture
def checkout(made: Path, tmp_path: Path) -> Path:
    """The same in another place, its environment written down as made there."""
    copied = tmp_path / "checkout"
    shutil.copytree(made, copied, symlinks=True)
    _edit(copied / ".venv" / "pyvenv.cfg", str(made), str(copied))
    return copied


def why(checkout: Path) -> str:
    """Why the environment would be made anew."""
    command = ["/bin/sh", str(checkout / ".ci" / "venv"), "--why"]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, cwd="/"
    ).stdout.strip()


def test_an_environment_that_fits_is_left_alone(made: Path, checkout: Path) -> None:
    """`make` costs nothing when there is nothing to do."""
    assert (why(made), why(checkout)) == ("", "")


def test_a_checkout_that_was_copied_or_moved_gets_an_environment_of_its_own(
    made: Path, tmp_path: Path
) -> None:
    """Its scripts start the Python of the first place, and that would import the code there."""
    copied = tmp_path / "copied"
    shutil.copytree(made, copied, symlinks=True)

    assert why(copied) == "it was made in another folder"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (shutil.rmtree, "there is none"),
        (lambda venv: (venv / "lock-digest").unlink(), "it was never finished"),
        (
            lambda venv: (venv.parent / "requirements.lock").write_text(""),
            "the lock has changed",
        ),
        (lambda venv: (venv / "bin" / "python").unlink(), "its Python is gone"),
        (lambda venv: (venv / "pyvenv.cfg").unlink(), "its Python is no longer"),
        (
            lambda venv: _edit(venv / "pyvenv.cfg", "version = 3.", "version = 3.9"),
            "its Python is no longer 3.9",
        ),
    ],
    ids=lambda each: each.replace(" ", "-") if isinstance(each, str) else "",
)
def test_what_became_of_an_environment_is_said(
    checkout: Path, harm: Callable[[Path], object], said: str
) -> None:
    """Cut off in the middle, another lock, another Python: each is made anew, with the reason."""
    harm(checkout / ".venv")

    assert why(checkout).startswith(said)


def _edit(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
