"""The releases of Prefect that the worker supports: its claims at both ends of the range.

Each end is an environment of its own: what is installed here, with another Prefect before it.
"""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from infra.gpu.groundwork import SUPPORTED
from infra.settings import PROJECT

pytestmark = pytest.mark.timeout(1200)

CLAIMS = (
    "test_worker_contract.py",
    "test_gpu_worker.py",
    "test_gpu_worker_health.py",
    "test_gpu_adoption.py",
    "test_launching.py",
)
OLDEST = next(each.version for each in SpecifierSet(SUPPORTED) if each.operator == ">=")
TOO_OLD = "3.8.3"


def environment(folder: Path, prefect: str) -> tuple[Path, str]:
    """The Python of a new environment, and the release of Prefect that pip found for it."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    (own,) = folder.glob("lib/python*/site-packages")
    here = sysconfig.get_path("purelib")
    (own / "beside.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    asked = [str(python), "-m", "pip", "install", "--quiet", "--upgrade", f"prefect{prefect}"]
    installed = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=300)
    if installed.returncode:
        pytest.skip(f"pip cannot install prefect{prefect} here: {installed.stderr[-300:]}")
    return python, said(python, "-c", "import prefect; print(prefect.__version__)")[1].strip()


def said(python: Path, *arguments: str) -> tuple[int, str]:
    """How a program of an environment ended, and what it printed."""
    ended = subprocess.run(
        [python, *arguments],
        cwd=PROJECT,
        env={**os.environ, "STOCK_WORKER": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


@pytest.mark.parametrize(
    "prefect", [pytest.param(f"=={OLDEST}", id="oldest"), pytest.param(SUPPORTED, id="newest")]
)
def test_every_claim_on_the_worker_holds_at_both_ends(prefect: str, tmp_path: Path) -> None:
    """The oldest release of the range, and the newest of it that installs."""
    python, release = environment(tmp_path / "venv", prefect)
    assert SpecifierSet(prefect).contains(release)
    claims = [f"tests/integration/{each}" for each in CLAIMS]

    ended, printed = said(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *claims)

    sys.stdout.write(f"prefect {release}: {printed.splitlines()[-1]}\n")
    assert ended == 0, printed[-4000:]


def test_prefect_s_own_worker_keeps_the_same_promises() -> None:
    """Of the release that is locked; else the list would be what ours does, and not what is due."""
    contract = f"tests/integration/{CLAIMS[0]}"

    ended, printed = said(Path(sys.executable), "-m", "pytest", "-q", contract)

    assert ended == 0, printed[-4000:]
    assert "[process]" in said(Path(sys.executable), "-m", "pytest", "--co", "-q", contract)[1]


def test_a_release_before_the_range_is_refused_at_the_import(tmp_path: Path) -> None:
    """It says which are supported, before a run is taken that it could not look after."""
    python, release = environment(tmp_path / "venv", f"=={TOO_OLD}")

    ended, printed = said(python, "-c", "import infra.gpu.worker")

    assert ended == 1
    assert f"ConfigError: Prefect {release} lacks" in printed
    assert f"'prefect{SUPPORTED}'" in printed
