"""What people and automations are told of devices: Prefect events, and lines in a run's log."""

import logging
import socket
from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

from prefect.events import emit_event
from prefect.logging.loggers import get_logger

from infra.gpu.company import News, Sighting
from infra.gpu.leases import Lease
from infra.gpu.quarantine import Entry, told

FOREIGN = "perennial.gpu.foreign-process"
FOREIGN_GONE = "perennial.gpu.foreign-process-gone"
KEPT_OUT = "perennial.gpu.quarantined"
LET_IN = "perennial.gpu.readmitted"
FAULT = "perennial.gpu.fault"


class Notices(Protocol):
    """Whoever passes on what happens to devices."""

    def announce(
        self, event: str, device: str, said: dict[str, object], runs: Iterable[UUID] = ()
    ) -> None:
        """Tell automations of an event of a device, with what it means for which runs."""

    def tell(self, run: UUID, message: str, level: int = logging.WARNING) -> None:
        """Put a line into the log of a flow run."""


class PrefectNotices:
    """Prefect's events and logs; both are sent by threads of Prefect's, and nothing waits."""

    def announce(
        self, event: str, device: str, said: dict[str, object], runs: Iterable[UUID] = ()
    ) -> None:
        """Emit an event whose resource is ``perennial.gpu.UUID``, related to the runs on it."""
        emit_event(
            event=event,
            resource={
                "prefect.resource.id": f"perennial.gpu.{device}",
                "prefect.resource.name": device,
                "perennial.machine": socket.gethostname(),
            },
            related=[
                {
                    "prefect.resource.id": f"prefect.flow-run.{run}",
                    "prefect.resource.role": "flow-run",
                }
                for run in runs
            ],
            payload={"machine": socket.gethostname(), **said},
        )

    def tell(self, run: UUID, message: str, level: int = logging.WARNING) -> None:
        """Log as the worker that watches over the run."""
        named = {"flow_run_id": str(run), "flow_run_name": str(run)}
        get_logger("prefect.flow_runs.worker").log(level, message, extra=named)


def tell_company(notices: Notices, news: News, leases: Iterable[Lease]) -> None:
    """Tell of foreign processes that came and went, also in the logs of the runs beside them."""
    held = list(leases)
    for each in news.came:
        runs = _holders(each.device, held)
        notices.announce(FOREIGN, each.device, _said(each), runs)
        for run in runs:
            message = f"A foreign process is on this run's GPU {each.device}: {each.process}."
            notices.tell(run, message)
    for each in news.gone:
        runs = _holders(each.device, held)
        notices.announce(FOREIGN_GONE, each.device, _said(each), runs)
        for run in runs:
            notices.tell(run, f"It has left GPU {each.device}: {each.process}.", logging.INFO)


def tell_quarantine(notices: Notices, entry: Entry) -> None:
    """Tell that a device is kept out, is still kept out after a probe, or was let in again."""
    why = told(entry) if entry.out else f"let in again: {entry.said}"
    said: dict[str, object] = {"why": why, "strikes": entry.strikes}
    notices.announce(KEPT_OUT if entry.out else LET_IN, entry.device, said)


def _holders(device: str, leases: Iterable[Lease]) -> list[UUID]:
    return [each.run for each in leases if device in each.grant.uuids]


def _said(sighting: Sighting) -> dict[str, object]:
    process = sighting.process
    return {
        "pid": process.pid,
        "user": process.user or "unseen here",
        "command": process.command or "unseen here",
        "memory_bytes": process.memory_bytes,
        "since": sighting.since.isoformat(),
    }
