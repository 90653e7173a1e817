"""The order of late runs: which wait for which."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from infra.gpu.succession import Elder, Heir, held

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
INGEST, SCORE, MONITOR = UUID(int=1), UUID(int=2), UUID(int=3)
AFTER = {
    INGEST: (),
    SCORE: ("ingest/toll",),
    MONITOR: ("ingest/toll", "score/toll", "monitor/toll"),
}
NAMES = {INGEST: "ingest/toll", SCORE: "score/toll", MONITOR: "monitor/toll"}


def heir(deployment: UUID, minutes_ago: int) -> Heir:
    """A run that is due since."""
    return Heir(uuid4(), deployment, NOW - timedelta(minutes=minutes_ago), AFTER[deployment])


def eldest(*runs: Heir) -> dict[str, Elder]:
    """The oldest of each deployment, as the server knows them."""
    in_order = sorted(runs, key=lambda each: each.due, reverse=True)
    found = [Elder(NAMES[each.deployment], each.deployment, each.due) for each in in_order]
    return {each.name: each for each in found}


def test_what_an_outage_left_of_a_morning_starts_one_after_the_other() -> None:
    """The monitor needs the predictions, which need the rows; the reason names what comes first."""
    morning = [heir(MONITOR, 60), heir(SCORE, 90), heir(INGEST, 120)]
    started = []

    while morning:
        waiting = held(morning, eldest(*morning))
        [first] = [each for each in morning if each.id not in waiting]
        started.append(NAMES[first.deployment])
        morning.remove(first)

    assert started == ["ingest/toll", "score/toll", "monitor/toll"]


def test_the_reason_says_which_run_comes_first() -> None:
    """So a person knows what to look at."""
    score, ingest = heir(SCORE, 90), heir(INGEST, 120)

    assert held([score], eldest(score, ingest)) == {
        score.id: "The run of ingest/toll that was due at 2026-11-27 07:00 UTC comes first, and "
        "has not ended."
    }


def test_of_one_moment_what_is_stood_on_comes_first() -> None:
    """Three schedules of six o'clock are no knot."""
    runs = [heir(each, 60) for each in (MONITOR, SCORE, INGEST)]

    assert set(held(runs, eldest(*runs))) == {runs[0].id, runs[1].id}
    assert set(held(runs[:2], eldest(*runs[:2]))) == {runs[0].id}
    assert held(runs[:1], eldest(*runs[:1])) == {}


def test_windows_are_monitored_in_their_order_and_brought_in_beside_each_other() -> None:
    """A verdict looks back at those before it; rows of two windows do not stand on each other."""
    windows = [heir(MONITOR, each) for each in (180, 120, 60)]
    batches = [heir(INGEST, each) for each in (180, 120, 60)]

    assert set(held(windows, eldest(*windows))) == {each.id for each in windows[1:]}
    assert held(batches, eldest(*batches)) == {}


def test_a_run_waits_for_none_that_was_due_later() -> None:
    """Yesterday's monitor does not wait for today's rows."""
    monitor, ingest = heir(MONITOR, 600), heir(INGEST, 60)

    assert held([monitor], eldest(monitor, ingest)) == {}
