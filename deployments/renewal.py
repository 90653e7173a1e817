"""Lists of times in Prefect that follow their calendars, and runs that an outage has swallowed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from deployments.timetable import is_due_for_renewal
from infra.gpu.lateness import MADE_UP_FOR
from tasks.calendars.rules import MOST_DATES, times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.objects import DeploymentSchedule, FlowRun
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.client.schemas.schedules import SCHEDULE_TYPES

    from tasks.schedules import ScheduleSpec

_FOR_EVER: Final = timedelta(days=3000)
_INSTANT: Final = timedelta(microseconds=1)
_LOOKED_AT: Final = 200
"""Newest runs of a deployment among which each schedule's last is looked for; the API's page."""


def renew(
    client: SyncPrefectClient,
    there: DeploymentResponse,
    told: Sequence[DeploymentScheduleCreate],
    now: datetime,
) -> tuple[str, ...]:
    """The names of the schedules whose list of times was replaced, for what it is to hold moved.

    Rules of Prefect's own change with the declaration alone, and are not looked at.

    Args:
        client: of Prefect's server.
        there: the deployment as the server holds it.
        told: what its schedules are to hold now.
        now: the time.
    """
    held = {each.slug: each for each in there.schedules}
    renewed = []
    for each in told:
        known = held.get(each.slug)
        if known is None or not is_list(each.schedule):
            continue
        fresh = list_of(each.schedule, now)
        if is_due_for_renewal(list_of(known.schedule, now), fresh, now):
            client.update_deployment_schedule(there.id, known.id, schedule=each.schedule)
            renewed.append(str(each.slug))
    if renewed:
        # Prefect has forgotten the runs to come, and would look again within a minute: one that
        # is due until then would be lost. By its keys none is made twice.
        client.request(
            "POST",
            "/deployments/{id}/schedule",
            path_params={"id": there.id},
            json={"start_time": now.isoformat()},
        )
    return tuple(renewed)


def is_list(schedule: SCHEDULE_TYPES) -> bool:
    """Whether a schedule lists its moments, as those that Prefect has no rule for.

    Prefect writes a start of its own before them.
    """
    text = str(getattr(schedule, "rrule", ""))
    return "RDATE:" in text and "RRULE:" not in text


def list_of(schedule: SCHEDULE_TYPES, now: datetime) -> list[datetime]:
    """The moments to come of a schedule that lists them."""
    return list(times(schedule, now + _INSTANT, now + _FOR_EVER))[:MOST_DATES]


def make_up(
    client: SyncPrefectClient,
    there: DeploymentResponse,
    declared: Mapping[str, ScheduleSpec],
    now: datetime,
) -> int:
    """How many runs were made for times that passed while Prefect's server was down.

    Prefect makes runs ahead, three or those of an hour, and none for what passed before it looks
    again. What is made up for is as declared: each time, the newest, or those not too long ago.

    Args:
        client: of Prefect's server.
        there: the deployment as the server holds it.
        declared: its schedules by their names.
        now: the time.
    """
    active = [each for each in there.schedules if each.active and str(each.slug) in declared]
    if there.paused or not active:
        return 0
    made = []
    runs = _newest_runs(client, there, now)
    for schedule in active:
        rule = declared[str(schedule.slug)]
        since = last_looked_after(there, schedule, runs, now)
        missed = wanted(tuple(times(schedule.schedule, since + _INSTANT, now)), rule, now)
        made += [_make(client, there, schedule, due) for due in missed]
    return len(made)


def wanted(missed: Sequence[datetime], rule: ScheduleSpec, now: datetime) -> tuple[datetime, ...]:
    """Which of the times that were missed are made up for, by a schedule's own word."""
    kept = [due for due in missed if rule.late_within is None or now - due <= rule.late_within]
    return tuple(kept[-1:] if rule.late == "latest" else kept)


def _newest_runs(
    client: SyncPrefectClient, there: DeploymentResponse, now: datetime
) -> list[FlowRun]:
    from prefect.client.schemas import filters
    from prefect.client.schemas.sorting import FlowRunSort

    before = filters.FlowRunFilterExpectedStartTime(before_=now)
    return client.read_flow_runs(
        deployment_filter=filters.DeploymentFilter(id=filters.DeploymentFilterId(any_=[there.id])),
        flow_run_filter=filters.FlowRunFilter(expected_start_time=before),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=_LOOKED_AT,
    )


def last_looked_after(
    there: DeploymentResponse, schedule: DeploymentSchedule, runs: Sequence[FlowRun], now: datetime
) -> datetime:
    """Until when the times of a schedule were surely made to runs, or were nobody's wish.

    That is its newest run that was due, or the last change of the schedule or its deployment: one
    that was paused until then has missed nothing. Prefect leaves the time of the change alone
    when a worker polls.
    """
    tag = f"{MADE_UP_FOR}{schedule.slug}"
    due = [
        run.expected_start_time
        for run in runs
        if tag in run.tags or (run.created_by is not None and run.created_by.id == schedule.id)
    ]
    known = [each for each in (schedule.updated, there.updated, *due) if each is not None]
    return datetime.fromtimestamp(
        max((each.timestamp() for each in known), default=now.timestamp()), UTC
    )


def _make(
    client: SyncPrefectClient,
    there: DeploymentResponse,
    schedule: DeploymentSchedule,
    due: datetime,
) -> UUID:
    """The id of the run that is there now; asked again it is the same."""
    from prefect.states import Scheduled

    run = client.create_flow_run_from_deployment(
        there.id,
        parameters=dict(schedule.parameters),
        state=Scheduled(scheduled_time=due, message="Made up for: nothing ran when it was due."),
        idempotency_key=f"missed {there.id} {schedule.id} {due.isoformat()}",
        tags=[f"{MADE_UP_FOR}{schedule.slug}"],
    )
    return run.id
