"""Working folders: there while they are used, removed when whoever used them is gone."""

import os
from pathlib import Path

import pytest

from infra.scratch import scratch, sweep
from infra.settings import settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    settings.cache_clear()
    return tmp_path


def test_a_working_folder_lies_in_the_home_and_ends_with_its_block(home: Path) -> None:
    """Nothing is left in the system's temporary folder, and nothing in the home."""
    with scratch("mine") as folder:
        (folder / "file").touch()

        assert folder.parent == home / "tmp"
        assert sweep() == 0

    assert not folder.exists()


def test_what_a_process_that_is_gone_left_is_swept_and_nothing_else(home: Path) -> None:
    """A pid that somebody else has by now does not count; a stranger's file stays."""
    (home / "tmp" / f"killed-{os.getpid()}-0f1e-2d3c.1250-x_1" / "context").mkdir(parents=True)
    (home / "tmp" / "notes").touch()

    with scratch("mine") as mine:
        before, swept = len(list((home / "tmp").iterdir())), sweep()
        names = {path.name for path in (home / "tmp").iterdir()}

    assert (before, swept) == (3, 1)
    assert names == {mine.name, "notes"}


def test_a_home_without_working_folders_is_swept_too(home: Path) -> None:
    """The first start of all has nothing to remove."""
    assert sweep() == 0
