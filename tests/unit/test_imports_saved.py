"""Time that imports and a process's end would cost for nothing."""

import subprocess
import sys

import pytest

from infra.hiding import hidden


def test_a_hidden_module_cannot_be_imported_and_is_there_again_afterwards() -> None:
    """A library that tries it does without, as where it is not installed."""
    sys.modules.pop("colorsys", None)

    with hidden("colorsys"), pytest.raises(ImportError):
        import colorsys

    import colorsys

    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_a_module_that_is_in_use_is_not_hidden() -> None:
    """Whoever has it keeps it, and so does everybody else."""
    with hidden("sys"):
        import sys as found

    assert found is sys


def test_a_run_does_not_search_what_it_imported_when_it_ends() -> None:
    """What is frozen is not walked through once more: two seconds of every run's end."""
    code = (
        "import atexit, gc\n"
        "atexit.register(lambda: print(gc.get_freeze_count()))\n"  # the last to be called
        "import infra.runs\n"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert int(said.stdout) > 100_000
