"""Runs that are late: which still start, by the word of the schedule that made them.

After an outage the runs that waited are all due at once. Whoever declared the schedule says whether
each of them is wanted, only the newest, or none that waited too long; that is decided here, where
runs are taken, so that it holds whatever was down and for however long.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from uuid import UUID

from prefect.client.schemas import filters
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled
from pydantic import BaseModel, ConfigDict, ValidationError

from infra.durations import exactly

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

MADE_UP_FOR: Final = "made-up-for:"
"""Begins the tag of a run that was made after an outage; the schedule's name follows."""

LATE: Final = timedelta(seconds=10)
"""A run that has waited less is not late: polls are ten seconds apart. Source: Prefect 3.8."""

_KEPT_S: Final = 60.0

_WAITS: Final = filters.FlowRunFilterStateType(any_=[StateType.SCHEDULED])


class LateRule(BaseModel):
    """What a schedule says of its late runs; the job variable ``late`` holds one for each."""

    model_config = ConfigDict(frozen=True)

    keep: Literal["all", "latest"] = "all"
    within_s: float | None = None


class DueRun(NamedTuple):
    """A run that a schedule made, and when it was due."""

    id: UUID
    schedule: tuple[UUID, str]
    due: datetime


class Told(NamedTuple):
    """What a deployment says of its late runs.

    Attributes:
        rules: of its schedules, by their names.
        schedules: their ids.
        after: names of the deployments whose earlier runs a late one waits for.
    """

    rules: Mapping[str, LateRule] = {}
    schedules: Mapping[str, UUID] = {}
    after: tuple[str, ...] = ()


def skipped(
    runs: Iterable[DueRun],
    rules: Mapping[tuple[UUID, str], LateRule],
    now: datetime,
    known: Mapping[tuple[UUID, str], datetime] | None = None,
) -> dict[UUID, str]:
    """The runs that are not to start any more, each with the reason.

    Args:
        runs: those that are due, or some of them.
        rules: of their schedules; one without a rule starts all its runs.
        now: the time.
        known: until when runs of a schedule are due as well, where not all were handed over.
    """
    runs = list(runs)
    newest = dict(known or {})
    for run in runs:
        newest[run.schedule] = max(run.due, newest.get(run.schedule, run.due))
    found = {}
    for run in runs:
        rule = rules.get(run.schedule, LateRule())
        if rule.keep == "latest" and run.due < newest[run.schedule]:
            found[run.id] = (
                f"The run of {newest[run.schedule]:%Y-%m-%d %H:%M} UTC is due as well, and the "
                "schedule keeps the latest only."
            )
        elif rule.within_s is not None and now - run.due > timedelta(seconds=rule.within_s):
            found[run.id] = (
                f"It was due {exactly(now - run.due)} ago, and the schedule skips runs that could "
                f"not start within {exactly(timedelta(seconds=rule.within_s))}."
            )
    return found


class Lateness:
    """Skips the late runs that nobody wants; what is punctual costs it no question."""

    def __init__(self, client: "PrefectClient") -> None:
        self._client = client
        self._told: dict[UUID, tuple[float, Told]] = {}

    async def wanted(self, due: "list[FlowRun]", now: datetime) -> "list[FlowRun]":
        """The runs that are to start; the others have the state Skipped, with the reason."""
        late = late_of(due, now)
        if not late:
            return due
        rules = {
            (deployment, name): rule
            for deployment in {each.schedule[0] for each in late}
            for name, rule in (await self.told(deployment)).rules.items()
        }
        latest = {
            each.schedule
            for each in late
            if each.schedule in rules and rules[each.schedule].keep == "latest"
        }
        known = {each: at for each in latest if (at := await self._newest(each, now)) is not None}
        runs = [each for run in due if (each := scheduled(run))]
        away = skipped(runs, rules, now, known)
        for run, why in away.items():
            try:
                await self._client.set_flow_run_state(run, Cancelled(name="Skipped", message=why))
            except ObjectNotFound:  # somebody has deleted it
                continue
        return [run for run in due if run.id not in away]

    async def told(self, deployment: UUID) -> Told:
        """What a deployment says of late runs, read once a minute at most."""
        known = self._told.get(deployment)
        if known is None or time.monotonic() - known[0] >= _KEPT_S:
            try:
                there = await self._client.read_deployment(deployment)
            except ObjectNotFound:
                told = Told()
            else:
                variables = there.job_variables or {}
                schedules = {str(each.slug): each.id for each in there.schedules}
                told = Told(_read(variables.get("late")), schedules, _names(variables.get("after")))
            known = self._told[deployment] = time.monotonic(), told
        return known[1]

    async def _newest(self, schedule: tuple[UUID, str], now: datetime) -> datetime | None:
        """When the newest of a schedule's runs that wait was due.

        The server is asked: it hands over the oldest first, and of many not all.
        """
        deployment, name = schedule
        own = (await self.told(deployment)).schedules.get(name)
        waits = filters.FlowRunFilter(
            expected_start_time=filters.FlowRunFilterExpectedStartTime(before_=now),
            state=filters.FlowRunFilterState(type=_WAITS),
        )
        made_up = filters.FlowRunFilterTags(any_=[f"{MADE_UP_FOR}{name}"])
        by_it = filters.FlowRunFilterCreatedBy(id_=[own] if own else [])
        found = []
        for which in ({"tags": made_up}, {"created_by": by_it}):
            found += await self._client.read_flow_runs(
                deployment_filter=filters.DeploymentFilter(
                    id=filters.DeploymentFilterId(any_=[deployment])
                ),
                flow_run_filter=waits.model_copy(update=which),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=1,
            )
        return max((each.due for run in found if (each := scheduled(run))), default=None)


def late_of(due: "Iterable[FlowRun]", now: datetime) -> list[DueRun]:
    """Those of the runs that a schedule made and that wait for longer than a look takes."""
    return [each for run in due if (each := scheduled(run)) and now - each.due > LATE]


def scheduled(run: "FlowRun") -> DueRun | None:
    """A run as its schedule knows it, None where no schedule made it."""
    due = run.expected_start_time
    if run.deployment_id is None or due is None:
        return None
    by = run.created_by
    named = by.display_value if by is not None and by.type == "SCHEDULE" else None
    made_up = (tag.removeprefix(MADE_UP_FOR) for tag in run.tags if tag.startswith(MADE_UP_FOR))
    name = named or next(made_up, None)
    if name is None:
        return None
    moment = datetime.fromtimestamp(due.timestamp(), UTC)
    return DueRun(run.id, (run.deployment_id, name), moment)


def _read(rules: object) -> dict[str, LateRule]:
    """The rules of a job variable; one that is none starts all runs, as Prefect does."""
    found = {}
    for name, rule in rules.items() if isinstance(rules, dict) else ():
        try:
            found[str(name)] = LateRule.model_validate(rule)
        except ValidationError:
            continue  # somebody else's variable of the same name
    return found


def _names(after: object) -> tuple[str, ...]:
    """The deployments of a job variable; what is no list of names says nothing."""
    return tuple(str(each) for each in after) if isinstance(after, list) else ()
