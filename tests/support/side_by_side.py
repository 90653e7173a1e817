"""Which process tests which file, where several test side by side.

What needs servers waits for them most of the time, and a server works while nobody asks it. So one
process has the embedded stack, another the server of the workers, and tests all that needs it, from
the first file on. A process that has none of these left takes any other file.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

_SHARED = ("_session_stack", "server_of_workers")
"""Fixtures that one process has: the first process the first of them, and so on."""

_NEEDS = pytest.StashKey[dict[str, str]]()


class FilesSideBySide(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """File by file, each where what it needs is there."""

    _needs: dict[str, str] | None = None

    def schedule(self) -> None:
        """Begin when all processes have told the same, or go on."""
        if self._needs is None:
            self._needs = json.loads(_place(self.nodes[0].workerinput).read_text())
            _place(self.nodes[0].workerinput).unlink()
        super().schedule()

    def _assign_work_unit(self, node: Any) -> None:  # noqa: ANN401 - xdist's
        """Give a process the next file that is for it; end it where there is none."""
        found = self._next(sorted(self.nodes, key=lambda each: each.gateway.id).index(node))
        if found is None:
            node.shutdown()
        else:
            self.workqueue.move_to_end(found, last=False)
            super()._assign_work_unit(node)

    def _next(self, number: int) -> str | None:
        """The next file: first what only this process has the fixture for, then what any may."""
        homes = {fixture: at % len(self.nodes) for at, fixture in enumerate(_SHARED)}
        places = {file: homes.get((self._needs or {}).get(file, "")) for file in self.workqueue}
        own = (file for file, home in places.items() if home == number)
        others = (file for file, home in places.items() if home is None)
        return next(own, None) or next(others, None)


def tell_needs(session: pytest.Session) -> None:
    """Tell the process that divides the files which of them need which shared fixture."""
    needs = {
        _file(item): fixture
        for item in session.items
        for fixture in _SHARED
        if fixture in getattr(item, "fixturenames", ())
    }
    if given := getattr(session.config, "workerinput", None):
        session.config.stash[_NEEDS] = needs
        own = Path(f"{_place(given)}.{given['workerid']}")
        own.write_text(json.dumps(needs))
        own.replace(_place(given))


def end_what_is_not_needed(item: pytest.Item, following: pytest.Item | None) -> None:
    """End a shared fixture with the last file of this process that needs it: no server idles.

    Args:
        item: the test that was the last.
        following: the test that is next.
    """
    needs = item.config.stash.get(_NEEDS, {})
    fixture = needs.get(_file(item))
    if fixture and following and needs.get(_file(following)) != fixture:
        fixtures = item.config.pluginmanager.get_plugin("funcmanage")
        assert fixtures  # it is pytest's own
        fixtures.getfixturedefs(fixture, item)[-1].finish(item._request)  # type: ignore[attr-defined] # a test function has one


def _file(item: pytest.Item) -> str:
    return item.nodeid.split("::", 1)[0]


def _place(given: Any) -> Path:  # noqa: ANN401 - xdist's
    """Where the processes of one run tell it."""
    return Path(tempfile.gettempdir(), f"tests-{given['testrunuid']}.json")
