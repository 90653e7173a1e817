"""Late runs: which start, which are skipped, which are made up for, and when a list is renewed."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse

from deployments.renewal import last_looked_after, wanted
from deployments.timetable import is_due_for_renewal, late_rules, predecessors
from infra.gpu.lateness import DueRun, LateRule, skipped
from tasks.calendars.agenda import HORIZON
from tasks.calendars.rules import listed
from tasks.schedules import ScheduleSpec, called

NOW = datetime(2026, 12, 7, 11, tzinfo=UTC)
MODEL = UUID(int=1)
DAILY, HOURLY = (MODEL, "daily"), (MODEL, "hourly")


def due(schedule: tuple[UUID, str], *hours_ago: int) -> list[DueRun]:
    """Runs of a schedule that wait since."""
    return [DueRun(uuid4(), schedule, NOW - timedelta(hours=each)) for each in hours_ago]


def schedule(**fields: object) -> ScheduleSpec:
    """A schedule of every hour."""
    return ScheduleSpec.model_validate({"flow": "score", "interval": "PT1H", **fields})


def test_without_a_rule_all_late_runs_start() -> None:
    """Each is for its own time, and Prefect starts them all."""
    assert skipped(due(DAILY, 72, 48, 24), {}, NOW) == {}


def test_of_a_schedule_that_keeps_the_latest_the_others_are_skipped() -> None:
    """Each with the reason; another schedule of the same deployment keeps its own."""
    first, second, newest = due(DAILY, 72, 48, 24)
    others = due(HOURLY, 3, 2)

    found = skipped([newest, first, *others, second], {DAILY: LateRule(keep="latest")}, NOW)

    assert set(found) == {first.id, second.id}
    assert found[first.id] == (
        "The run of 2026-12-06 11:00 UTC is due as well, and the schedule keeps the latest only."
    )


def test_a_newer_run_that_was_not_handed_over_is_the_latest() -> None:
    """Prefect hands over the oldest 200: the newest of them is not to start either."""
    page = due(DAILY, 300, 200, 101)
    newest = NOW - timedelta(hours=1)

    found = skipped(page, {DAILY: LateRule(keep="latest")}, NOW, {DAILY: newest})

    assert set(found) == {each.id for each in page}
    assert "The run of 2026-12-07 10:00 UTC is due as well" in found[page[2].id]


def test_a_run_that_waited_too_long_is_skipped() -> None:
    """To the second: what waited exactly so long still starts."""
    over, exactly = due(DAILY, 7, 6)

    found = skipped([over, exactly], {DAILY: LateRule(within_s=6 * 3600)}, NOW)

    assert found == {
        over.id: "It was due 7 hours ago, and the schedule skips runs that could not start within "
        "6 hours."
    }


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 100), min_size=1, unique=True), st.integers(1, 100))
def test_at_most_the_newest_of_those_in_time_starts(hours: list[int], within: int) -> None:
    """Whatever waits, and in whatever order it is looked at."""
    runs = due(DAILY, *hours)
    rule = LateRule(keep="latest", within_s=within * 3600)

    left = {run.id for run in runs} - set(skipped(runs, {DAILY: rule}, NOW))

    newest = max(runs, key=lambda run: run.due)
    assert left == ({newest.id} if min(hours) <= within else set())


@pytest.mark.parametrize(
    ("fields", "hours"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"late": "latest"}, [1]),
        ({"late_within": "PT3H"}, [3, 2, 1]),
        ({"late": "latest", "late_within": "PT30M"}, []),
    ],
)
def test_what_an_outage_swallowed_is_made_up_for_as_declared(
    fields: dict[str, str], hours: list[int]
) -> None:
    """All, the latest only, or none that is too old."""
    missed = [NOW - timedelta(hours=each) for each in (5, 4, 3, 2, 1)]

    found = wanted(missed, schedule(**fields), NOW)

    assert list(found) == [NOW - timedelta(hours=each) for each in hours]


def test_what_passed_while_a_schedule_was_paused_was_not_missed() -> None:
    """Neither its switch on Prefect's page nor that of its deployment starts a week of runs."""
    ago = {each: NOW - timedelta(days=each) for each in (2, 5, 9)}
    schedule = DeploymentSchedule(
        schedule=listed([NOW]), active=True, slug="daily", created=ago[9], updated=ago[5]
    )
    there = DeploymentResponse(
        name="m", flow_id=uuid4(), labels={}, created=ago[9], updated=ago[2], schedules=[schedule]
    )

    assert last_looked_after(there, schedule, [], NOW) == ago[2]
    assert last_looked_after(there, schedule, [ago[9]], NOW) == ago[2]
    assert last_looked_after(there, schedule, [NOW - timedelta(days=1)], NOW) == (
        NOW - timedelta(days=1)
    )


def test_the_worker_is_told_of_the_schedules_that_say_something() -> None:
    """By the names that they bear in Prefect; a deployment of plain ones is as it was."""
    plain, named = schedule(), schedule(name="often", late="latest", late_within="PT6H")

    assert called([plain, named]) == {"score-1": plain, "often": named}
    assert late_rules([plain]) == {}
    assert late_rules([plain, named]) == {"often": {"keep": "latest", "within_s": 21600.0}}
    assert LateRule.model_validate(late_rules([named])["often"]).within_s == 6 * 3600


def test_the_worker_is_told_what_a_late_run_stands_on() -> None:
    """A score on its rows, a monitor on predictions and on its past; an ingest on nothing."""
    assert predecessors([], "flights") == []
    assert predecessors([schedule(flow="ingest")], "flights") == []
    assert predecessors([schedule(), schedule()], "flights") == ["ingest/flights"]
    assert predecessors([schedule(flow="monitor")], "flights") == [
        "ingest/flights",
        "score/flights",
        "monitor/flights",
    ]


@pytest.mark.parametrize(
    ("passed", "held", "fresh", "renewed"),
    [
        (0, 400, 400, False),
        (100, 400, 400, False),
        (50, 300, 400, False),
        (250, 400, 400, True),
        (400, 400, 400, True),
        (10, 12, 12, False),
        (0, 0, 0, False),
        (0, 0, 5, True),
    ],
)
def test_a_list_is_renewed_when_half_of_its_horizon_is_gone(
    passed: int, held: int, fresh: int, renewed: bool
) -> None:
    """One of each day, of which some have passed; one that ends is not renewed for ever."""
    day = timedelta(days=1)
    began = NOW - passed * day
    there = [began + each * day for each in range(1, held + 1)]
    ended = held < 100 and fresh == held
    wanted_now = there if ended else [NOW + each * day for each in range(1, fresh + 1)]
    ahead = [each for each in wanted_now if each > NOW]

    assert is_due_for_renewal(there, ahead, NOW) is renewed


def test_an_event_that_is_new_is_heard_at_once() -> None:
    """A list of few moments is not full: what follows its last is missing, not far away."""
    there = [NOW + timedelta(days=8)]

    assert is_due_for_renewal(there, [*there, NOW + timedelta(days=12)], NOW)


def test_a_list_of_every_hour_is_renewed_when_half_of_it_is_gone() -> None:
    """It reaches 16 days: 400 moments."""
    there = [NOW + timedelta(hours=each) for each in range(1, 401)]

    renewed = [
        is_due_for_renewal(there, [at + timedelta(hours=each) for each in range(1, 401)], at)
        for at in (NOW + timedelta(hours=each) for each in (0, 100, 199, 210, 400))
    ]

    assert renewed == [False, False, False, True, True]


def test_a_list_is_renewed_at_once_where_a_time_moved() -> None:
    """A new holiday, a freeze, an event that was put off."""
    there = [NOW + timedelta(days=each) for each in range(1, 300)]
    moved = [*there[:5], there[5] + timedelta(hours=1), *there[6:]]

    assert is_due_for_renewal(there, moved, NOW)
    assert is_due_for_renewal(there, there[:50], NOW)
    assert not is_due_for_renewal(there, there, NOW)
    assert there[-1] < NOW + HORIZON
