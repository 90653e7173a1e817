"""What Prefect says of the runs of all models, with two questions a scrape at most."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from deployments.plan import TAG
from deployments.takers import LATE

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.sorting import FlowRunSort

_FRESH_S: Final = 10.0
_PAGE: Final = 200
_MOST_PAGES: Final = 5
_SKIPPED: Final = "Skipped"
_OVERLAP: Final = timedelta(minutes=5)
"""Ends that come so late that a newer one was seen before are counted all the same."""

STATES: Final = ("completed", "failed", "crashed", "cancelled", "skipped")
"""How a run ends: Prefect's words, and that of a late run which nobody wanted any more."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)

Whose = tuple[str, str]
"""Model and flow."""


@dataclass
class Runs:
    """What is known of the runs by now."""

    next: dict[Whose, datetime] = field(default_factory=dict)
    late: dict[Whose, int] = field(default_factory=dict)
    due: dict[Whose, datetime] = field(default_factory=dict)
    """When the first of those that are late should have begun."""
    ended: dict[Whose, tuple[datetime, bool]] = field(default_factory=dict)
    """When the last run ended, and whether it failed."""
    counts: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """Model, flow and state, to how many ended so since the first look."""
    made_up: dict[Whose, int] = field(default_factory=dict)
    """Likewise, those that made up for one which an outage had swallowed."""


class RunWatch:
    """Follows the runs on Prefect's server, for one thread at a time."""

    def __init__(self) -> None:
        self._asked_s = -_FRESH_S
        self._flows: dict[object, str] = {}
        self._runs = Runs()
        self._counted: dict[object, datetime] | None = None

    def look(self) -> Runs:
        """The runs as they are; asked again within ten seconds, as they were.

        Raises:
            BackendError: Prefect's server does not answer.
            ConfigError: no server was ever started.
        """
        from tasks.governance.reviews import reachable_prefect

        if time.monotonic() - self._asked_s >= _FRESH_S:
            with reachable_prefect() as client:
                self._scheduled(client)
                self._ended(client)
            self._asked_s = time.monotonic()
        return self._runs

    def _scheduled(self, client: "SyncPrefectClient") -> None:
        from prefect.client.schemas.objects import StateType
        from prefect.client.schemas.sorting import FlowRunSort

        soonest = FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC
        coming: dict[Whose, datetime] = {}
        late: dict[Whose, int] = {}
        due: dict[Whose, datetime] = {}
        for whose, run in self._found(client, _in_states(StateType.SCHEDULED), soonest):
            late.setdefault(whose, 0)
            self._begin(whose)
            is_late, at = run.state_name == LATE, run.next_scheduled_start_time
            late[whose] += is_late
            if at is not None:
                (due if is_late else coming).setdefault(whose, at)
        self._runs.next, self._runs.late, self._runs.due = coming, late, due

    def _ended(self, client: "SyncPrefectClient") -> None:
        """Those that ended since the last look; at the first, the newest that there are."""
        from prefect.client.schemas.objects import StateType
        from prefect.client.schemas.sorting import FlowRunSort

        bad = {StateType.FAILED, StateType.CRASHED}
        counted = self._counted or {}
        until = max(counted.values(), default=_NEVER + _OVERLAP) - _OVERLAP
        ends = _in_states(StateType.COMPLETED, StateType.CANCELLED, *bad)
        found = {}
        for whose, run in self._found(client, ends, FlowRunSort.END_TIME_DESC):
            at = run.end_time or _NEVER
            if at < until:
                break
            found[run.id] = whose, run, at
        for whose, run, at in found.values():
            newest = whose not in self._runs.ended or at > self._runs.ended[whose][0]
            if newest and run.state_type is not StateType.CANCELLED:
                self._runs.ended[whose] = at, run.state_type in bad
            self._begin(whose)
            if self._counted is not None and run.id not in counted:
                self._count(whose, run)
        known = counted | {run.id: at for _, run, at in found.values()}
        newest_end = max(known.values(), default=_NEVER + _OVERLAP)
        self._counted = {run: at for run, at in known.items() if at >= newest_end - _OVERLAP}

    def _begin(self, whose: Whose) -> None:
        """Counters begin at zero, so that the first one is seen as a rise too."""
        for each in STATES:
            self._runs.counts.setdefault((*whose, each), 0)
        self._runs.made_up.setdefault(whose, 0)

    def _count(self, whose: Whose, run: "FlowRun") -> None:
        from infra.gpu.lateness import MADE_UP_FOR

        self._runs.counts[*whose, _state_of(run)] += 1
        self._runs.made_up[whose] += any(tag.startswith(MADE_UP_FOR) for tag in run.tags)

    def _found(
        self, client: "SyncPrefectClient", wanted: "FlowRunFilter", sort: "FlowRunSort"
    ) -> "Iterator[tuple[Whose, FlowRun]]":
        for page in range(_MOST_PAGES):
            runs = client.read_flow_runs(
                flow_run_filter=wanted, sort=sort, limit=_PAGE, offset=page * _PAGE
            )
            for run in runs:
                model = run.parameters.get("model")
                if isinstance(model, str):
                    yield (model, self._name(client, run.flow_id)), run
            if len(runs) < _PAGE:
                return

    def _name(self, client: "SyncPrefectClient", flow: object) -> str:
        """Of a flow, asked for when one comes that is not known."""
        if flow not in self._flows:
            self._flows = {each.id: each.name for each in client.read_flows()}
        return self._flows.get(flow, "")


def _state_of(run: "FlowRun") -> str:
    if run.state_name == _SKIPPED:
        return _SKIPPED.lower()
    return run.state_type.value.lower() if run.state_type else ""


def _in_states(*states: object) -> "FlowRunFilter":
    from prefect.client.schemas import filters

    return filters.FlowRunFilter(
        tags=filters.FlowRunFilterTags(all_=[TAG]),
        state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=list(states))),
    )
