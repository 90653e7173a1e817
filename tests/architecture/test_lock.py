"""The lock: exact versions of everything, each file with its hash, and the caps that hold."""

import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.source_tree import ROOT

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; ([^\\]+))? \\$")


def _lock() -> dict[str, str]:
    """Name to version of every package in the lock."""
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    found = [match for line in lines if (match := PINNED.match(line))]
    return {canonicalize_name(match[1]): match[2] for match in found}


def _declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    names = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["dev"]
    return [Requirement(each) for each in names + project["build-system"]["requires"]]


def _gpu() -> dict[str, str]:
    lines = (ROOT / "requirements-gpu.txt").read_text("utf-8").splitlines()
    pins = [line.split("#")[0].strip().partition("==") for line in lines]
    return {canonicalize_name(name): version for name, _, version in pins if name}


def test_every_line_of_the_lock_is_a_version_or_a_hash() -> None:
    """No address, no option, no range: the installer decides from where, never what."""
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()

    odd = [
        line
        for line in lines
        if not PINNED.match(line)
        and not re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line)
    ]

    assert odd == []


def test_the_lock_covers_what_the_project_asks_for() -> None:
    """A dependency that is declared is locked, at a version that the declaration allows."""
    lock = _lock()

    wrong = [
        str(each)
        for each in _declared()
        if (version := lock.get(canonicalize_name(each.name))) is None
        or not each.specifier.contains(version)
    ]

    assert len(lock) > 200
    assert wrong == []


@pytest.mark.parametrize(
    ("library", "below"), [("fastapi", "0.151"), ("sqlalchemy", "2.1"), ("pandas", "3.1")]
)
def test_what_breaks_the_stack_is_capped(library: str, below: str) -> None:
    """Nothing declares that newer ones break Prefect's server, its scheduler and Evidently."""
    capped = {each.name: each for each in _declared()}[library]

    assert not capped.specifier.contains(below)
    assert Version(_lock()[library]) < Version(below)


def test_what_is_installed_is_what_the_lock_says() -> None:
    """The environment that the tests run in is the one that users get."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    installed: dict[str, str] = {
        canonicalize_name(name): version
        for name, _, version in (line.partition("==") for line in done.split())
    }

    differs = {
        name: (version, installed[name])
        for name, version in _lock().items()
        if name in installed and installed[name] != version
    }

    assert differs == {}


def test_gpu_libraries_stay_out_of_the_lock() -> None:
    """3 GB of NVIDIA's packages are not forced on a machine without a GPU."""
    lock, gpu = _lock(), _gpu()

    assert {"torch", "dask-cuda", "cuda-bindings"} <= set(gpu)
    assert "torch" not in lock
    assert {name for name in lock if name.startswith(("nvidia-cu", "cuda-"))} == set()
    assert {name for name in gpu.keys() & lock.keys() if gpu[name] != lock[name]} == set()
