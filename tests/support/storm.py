"""Runs by the dozen on machines of simulated GPUs, while what runs them is killed."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun

from infra.gpu.leases import Journal
from tests.support.machines_apart import machine_apart
from tests.support.nvml.audit import Audit, audit
from tests.support.prefect_server import PrefectServer
from tests.support.storm_kinds import Declared
from tests.support.storm_posts import Place, Post

_STUCK_S: Final = 120.0
"""So long may nothing end before the storm is called off; a run takes seconds."""

_AHEAD: Final = 20
_LOOK_S: Final = 0.2


class Kills(NamedTuple):
    """How often what is killed."""

    workers: int
    children: int
    servers: int


@dataclass
class Outcome:
    """What a storm has left."""

    runs: dict[UUID, FlowRun]
    kills: Counter[str]
    killed: set[UUID]
    audits: list[Audit]
    wall_s: float
    starts: int

    @property
    def ends(self) -> Counter[str]:
        """How many runs ended how."""
        return Counter(run.state_name or "?" for run in self.runs.values())

    @property
    def figures(self) -> str:
        """One line for a report."""
        return json.dumps(
            {
                "runs": len(self.runs),
                "ends": self.ends,
                "kills": self.kills,
                "worker starts": self.starts,
                "came onto a device": sum(each.came for each in self.audits),
                "beside others": sum(each.together for each in self.audits),
                "double bookings": sum(len(each.booked_twice) for each in self.audits),
                "wall s": round(self.wall_s, 1),
            }
        )


class Storm:
    """The runs, the workers and the kills."""

    def __init__(
        self, server: PrefectServer, posts: list[tuple[str, Place]], library: Path, folder: Path
    ) -> None:
        self._server, self._folder = server, folder
        self._draw = random.Random(20240401)  # noqa: S311 - no secret, a storm that can be repeated
        self._pool = f"storm-{uuid4().hex[:8]}"
        environment = {
            **os.environ,
            "PREFECT_API_URL": server.api,
            "LD_LIBRARY_PATH": str(library),
            "PERENNIAL_WARM_IMPORTS": "prefect.engine",
        }
        starts = {"left": "1"}  # its runs are forked from a process that is warm, as most are
        self.posts = [
            Post(
                name,
                place,
                environment | {"PERENNIAL_WARM_ENVIRONMENTS": starts.get(name, "0")},
                self._pool,
            )
            for name, place in posts
        ]
        self.places = list({id(place): place for _, place in posts}.values())
        self._runs: dict[UUID, FlowRun] = {}
        self._kills: Counter[str] = Counter()
        self._killed: set[UUID] = set()
        (folder / "traces").mkdir()

    def rage(self, runs: int, kills: Kills) -> Outcome:
        """Let so many runs go through so many kills, until each of them has ended.

        Raises:
            AssertionError: nothing has ended for minutes.
        """
        began_s = time.monotonic()
        plan = ["worker"] * kills.workers + ["child"] * kills.children + ["server"] * kills.servers
        self._draw.shuffle(plan)
        every, moved_s, over = runs / (len(plan) + 1), began_s, 0
        with get_client(sync_client=True) as client:
            declared = Declared(client, self._pool)
            while over < runs or plan:
                for post in self.posts:
                    post.tend(self._draw.uniform(0.0, 2.0))
                self._feed(declared, runs)
                ended = self._look(client)
                if ended > over:
                    over, moved_s = ended, time.monotonic()
                assert time.monotonic() < moved_s + _STUCK_S, self._stuck()
                struck = runs - every * (len(plan))
                if plan and (over >= struck or over == runs) and self._strike(plan[-1]):
                    plan.pop()
                time.sleep(_LOOK_S)
        self._settle()
        return Outcome(
            *(self._runs, self._kills, self._killed),
            [audit(place.state) for place in self.places],
            time.monotonic() - began_s,
            sum(post.starts for post in self.posts),
        )

    def _feed(self, declared: Declared, runs: int) -> None:
        """Keep some runs waiting."""
        waiting = sum(not _over(run) for run in self._runs.values())
        for _ in range(min(_AHEAD - waiting, runs - len(self._runs))):
            hold_s = self._draw.uniform(0.5, 3.0)
            run = declared.start(len(self._runs), self._folder / "traces", hold_s)
            self._runs[run.id] = run

    def _look(self, client: SyncPrefectClient) -> int:
        """How many runs have ended."""
        unknown = [run.id for run in self._runs.values() if not _over(run)]
        found = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=unknown))
        )
        self._runs |= {run.id: run for run in found}
        return sum(_over(run) for run in self._runs.values())

    def _strike(self, what: str) -> bool:
        """Kill something, at a moment that nobody has chosen; whether there was something."""
        time.sleep(self._draw.uniform(0.0, 0.5))
        match what:
            case "worker":
                struck = self._draw.choice(self.posts).kill()
            case "child":
                struck = self._strike_child()
            case _:
                self._server.kill()
                time.sleep(self._draw.uniform(0.0, 1.0))
                self._server.start()
                struck = True
        self._kills[what] += struck
        return struck

    def _strike_child(self) -> bool:
        held = [
            lease
            for place in self.places
            if place.journal.exists()
            for lease in Journal.existing(place.journal).leases()
            if lease.process is not None and lease.process.alive
            if "ended" not in self._trace(lease.run)
        ]
        if not held:
            return False
        lease = self._draw.choice(held)
        assert lease.process is not None
        os.kill(lease.process.pid, signal.SIGKILL)
        self._killed.add(lease.run)
        return True

    def _settle(self) -> None:
        """Wait until nothing is held, and end the workers."""
        deadline = time.monotonic() + _STUCK_S
        while any(Journal(place.journal).leases() for place in self.places):
            for post in self.posts:
                post.tend(0.0)
            assert time.monotonic() < deadline, self._stuck()
            time.sleep(_LOOK_S)
        self.stop()
        while any(place.processes() for place in self.places):
            assert time.monotonic() < deadline, self._stuck()
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        """End the workers."""
        for post in self.posts:
            post.stop()

    def clear(self) -> None:
        """Kill whatever is left, of a storm that failed too."""
        for post in self.posts:
            post.kill()
        for place in self.places:
            for process in place.processes():
                process.kill()

    def twice(self) -> list[str]:
        """Runs that were at work in two processes at the same time."""
        return [each.name for each in (self._folder / "traces").glob("*.twice")]

    def begun(self, run: UUID) -> int:
        """How often a run's flow has begun."""
        return self._trace(run).count("began")

    def _trace(self, run: UUID) -> str:
        trace = self._folder / "traces" / str(run)
        return trace.read_text("utf-8") if trace.exists() else ""

    def _stuck(self) -> str:
        """What there is where something should have ended."""
        waits = {run.id: run.state_name for run in self._runs.values() if not _over(run)}
        leases = [lease for place in self.places for lease in Journal(place.journal).leases()]
        left = [each.pid for place in self.places for each in place.processes()]
        return f"{waits}\nleases {leases}\nprocesses {left}\nsee {self._folder}"


def _over(run: FlowRun) -> bool:
    return run.state_type in TERMINAL_STATES


@contextmanager
def storm(server: PrefectServer, library: Path, folder: Path) -> Iterator[Storm]:
    """Two workers on a machine of five GPUs, one of them cut, and one on another with three.

    Args:
        server: it answers; it is killed and started in the storm.
        library: the folder of the simulated driver.
        folder: where everything lies.
    """
    near, far = Place(folder / "near"), Place(folder / "far")
    for place in (near, far):
        place.folder.mkdir()
    near.furnish(80, 80, 40, 24, 80, slices=2)
    far.furnish(80, 40, 24)
    with machine_apart(server.port, folder) as far.before:
        raised = Storm(server, [("left", near), ("right", near), ("apart", far)], library, folder)
        try:
            yield raised
        finally:
            raised.clear()
