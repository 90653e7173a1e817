"""Late runs that stand on each other: they start in the order in which they were due.

After an outage the runs of a model are all due at once. One that needs what an earlier one makes
would fail for good; it is held here, where runs are taken, until the earlier one has ended.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from prefect.client.schemas import filters
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort

from infra.gpu.lateness import Lateness, late_of, scheduled

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

_GOES_ON: Final = filters.FlowRunFilterStateType(
    any_=[StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]
)
"""States of a run that will still do its work by itself; one that was paused may never."""


class Heir(NamedTuple):
    """A run that is due, and the deployments whose earlier runs it waits for."""

    id: UUID
    deployment: UUID
    due: datetime
    after: tuple[str, ...]


class Elder(NamedTuple):
    """The oldest run of a deployment that has not ended."""

    name: str
    deployment: UUID
    due: datetime


def held(heirs: Iterable[Heir], eldest: Mapping[str, Elder]) -> dict[UUID, str]:
    """The runs that are to wait, each with the reason.

    Of one moment the run of another deployment comes first: it is one that this stands on.

    Args:
        heirs: runs that are due.
        eldest: of each deployment that has one, by its name.
    """
    found = {}
    for run in heirs:
        for elder in (eldest[name] for name in run.after if name in eldest):
            own = elder.deployment == run.deployment
            if elder.due < run.due or (elder.due == run.due and not own):
                found[run.id] = (
                    f"The run of {elder.name} that was due at {elder.due:%Y-%m-%d %H:%M} UTC comes "
                    "first, and has not ended."
                )
                break
    return found


class Succession:
    """Holds late runs that came before their turn; where none is late, nothing is asked."""

    def __init__(self, client: "PrefectClient", lateness: Lateness) -> None:
        self._client, self._lateness = client, lateness

    async def held(self, due: "list[FlowRun]", now: datetime) -> dict[UUID, str]:
        """The runs that are not to start yet, each with the reason."""
        if not late_of(due, now):
            return {}
        heirs = [
            Heir(run.id, run.schedule[0], run.due, told.after)
            for each in due
            if (run := scheduled(each))
            and (told := await self._lateness.told(run.schedule[0])).after
        ]
        names = {name for run in heirs for name in run.after}
        eldest = [await self._eldest(name, now) for name in sorted(names)]
        return held(heirs, {each.name: each for each in eldest if each is not None})

    async def _eldest(self, name: str, now: datetime) -> Elder | None:
        flow, _, model = name.partition("/")
        found = await self._client.read_flow_runs(
            flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=[flow])),
            deployment_filter=filters.DeploymentFilter(
                name=filters.DeploymentFilterName(any_=[model])
            ),
            flow_run_filter=filters.FlowRunFilter(
                expected_start_time=filters.FlowRunFilterExpectedStartTime(before_=now),
                state=filters.FlowRunFilterState(type=_GOES_ON),
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            limit=1,
        )
        for run in found:
            if run.deployment_id is not None and run.expected_start_time is not None:
                due = datetime.fromtimestamp(run.expected_start_time.timestamp(), UTC)
                return Elder(name, run.deployment_id, due)
        return None
