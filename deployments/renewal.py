"""Lists of times in Prefect that follow their calendars, and runs that an outage has swallowed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from deployments.timetable import is_due_for_renewal
from infra.gpu.lateness import MADE_UP_FOR
from infra.private import make_private, read_private, write_private
from infra.settings import settings
from tasks.calendars.rules import MOST_DATES, keyed_times, times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.objects import DeploymentSchedule
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.client.schemas.schedules import SCHEDULE_TYPES

    from tasks.schedules import ScheduleSpec

_FOR_EVER: Final = timedelta(days=3000)
_INSTANT: Final = timedelta(microseconds=1)


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
    Until when this was done is noted in the home: a run that somebody deletes later stays deleted.

    Args:
        client: of Prefect's server.
        there: the deployment as the server holds it.
        declared: its schedules by their names.
        now: the time.

    Raises:
        ConfigError: a schedule names no time, or the note cannot be read or written.
    """
    active = [each for each in there.schedules if each.active and str(each.slug) in declared]
    if there.paused or not active:
        return 0
    note = make_private(settings().home / "made-up") / f"{there.id}.json"
    noted, made = _read(note), 0
    for schedule in active:
        seen = [*_newest(client, there, schedule, now), *noted.get(str(schedule.id), ())]
        since = last_looked_after(there, schedule, [each for each in seen if each <= now], now)
        passed = dict(keyed_times(schedule.schedule, since + _INSTANT, now))
        for due in wanted(tuple(passed), declared[str(schedule.slug)], now):
            _make(client, there, schedule, due, passed[due])
            made += 1
    write_private(note, json.dumps({str(each.id): now.isoformat() for each in active}))
    return made


def wanted(missed: Sequence[datetime], rule: ScheduleSpec, now: datetime) -> tuple[datetime, ...]:
    """Which of the times that were missed are made up for, by a schedule's own word."""
    kept = [due for due in missed if rule.late_within is None or now - due <= rule.late_within]
    return tuple(kept[-1:] if rule.late == "latest" else kept)


def last_looked_after(
    there: DeploymentResponse,
    schedule: DeploymentSchedule,
    seen: Iterable[datetime],
    now: datetime,
) -> datetime:
    """Until when the times of a schedule were surely made to runs, or were nobody's wish.

    That is the newest that was seen to, or the last change of the schedule or its deployment: one
    that was paused until then has missed nothing. Prefect leaves the time of the change alone
    when a worker polls.
    """
    known = [each for each in (schedule.updated, there.updated, *seen) if each is not None]
    return _plain(max(known, key=datetime.timestamp, default=now))


def _newest(
    client: SyncPrefectClient,
    there: DeploymentResponse,
    schedule: DeploymentSchedule,
    now: datetime,
) -> Iterator[datetime]:
    """When the newest runs of a schedule were due: Prefect's own, and that was made up for.

    Each is asked for by itself: other runs of the deployment may be many, and newer.
    """
    from prefect.client.schemas import filters
    from prefect.client.schemas.sorting import FlowRunSort

    deployment = filters.DeploymentFilter(id=filters.DeploymentFilterId(any_=[there.id]))
    before = filters.FlowRunFilterExpectedStartTime(before_=now)
    tag = filters.FlowRunFilterTags(any_=[f"{MADE_UP_FOR}{schedule.slug}"])
    for asked in (
        filters.FlowRunFilter(
            expected_start_time=before,
            created_by=filters.FlowRunFilterCreatedBy(id_=[schedule.id]),
        ),
        filters.FlowRunFilter(expected_start_time=before, tags=tag),
    ):
        for run in client.read_flow_runs(
            deployment_filter=deployment,
            flow_run_filter=asked,
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=1,
        ):
            if run.expected_start_time is not None:
                yield _plain(run.expected_start_time)


def _make(
    client: SyncPrefectClient,
    there: DeploymentResponse,
    schedule: DeploymentSchedule,
    due: datetime,
    key: str,
) -> UUID:
    """The id of the run that is there now; asked again it is the same."""
    from prefect.states import Scheduled

    run = client.create_flow_run_from_deployment(
        there.id,
        parameters=dict(schedule.parameters),
        state=Scheduled(scheduled_time=due, message="Made up for: nothing ran when it was due."),
        # Prefect's own key: its scheduler may look at this very moment.
        idempotency_key=f"scheduled {there.id} {schedule.id} {key}",
        tags=[f"{MADE_UP_FOR}{schedule.slug}"],
    )
    return run.id


def _plain(moment: datetime) -> datetime:
    """Prefect's times are of a kind that not every sum can be made of."""
    return datetime.fromtimestamp(moment.timestamp(), UTC)


def _read(note: Path) -> dict[str, tuple[datetime, ...]]:
    """Until when each schedule was looked after; a note that is damaged tells nothing."""
    try:
        noted = json.loads(read_private(note) or "{}")
        return {each: (datetime.fromisoformat(until),) for each, until in noted.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
