"""Which events count for a model, and what each asks for."""

from datetime import UTC, datetime, timedelta

import pytest
from prefect.events.schemas.events import ReceivedEvent
from pydantic import ValidationError

from tasks.governance.events import heard
from tasks.governance.triggers import EventTrigger, TriggersSpec

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
OPENED = EventTrigger(event="airport.opened", resource="desk.*")


def event(
    name: str = "airport.opened", resource: str = "desk.jfk", **fields: object
) -> ReceivedEvent:
    """An event that the server received now."""
    said = {"event": name, "resource": {"prefect.resource.id": resource}, "received": NOW}
    return ReceivedEvent.model_validate({"occurred": NOW, **said, **fields})


def test_an_event_counts_for_the_trigger_that_names_it() -> None:
    """By its name and its resource; the first trigger that names it counts, once."""
    exact = EventTrigger(event="airport.opened", resource="desk.jfk")
    others = (event("airport.closed"), event(resource="tower.jfk"), event("airport.opened.twice"))

    found = heard((event(), *others), (exact, OPENED))

    assert [(each.event, each.trigger, each.fault) for each in found] == [
        ("airport.opened", exact, "")
    ]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("gong.*", "should match pattern"),
        ("!gong", "should match pattern"),
        ("prefect.flow-run.Completed", "each would ask for the next"),
        ("prefect.deployment.ready", "each would ask for the next"),
    ],
)
def test_an_event_that_would_never_count_or_count_for_ever_is_refused(
    event: str, said: str
) -> None:
    """Names are compared whole, and what Prefect tells of runs, our own runs would tell too."""
    with pytest.raises(ValidationError, match=said):
        EventTrigger(event=event)

    assert EventTrigger(event="prefect.asset.materialization.succeeded", resource="s3://*")


@pytest.mark.parametrize(
    ("first", "second"), [("desk.jfk", "desk.jfk"), ("desk.*", "desk.jfk"), ("*", "desk.*")]
)
def test_a_trigger_behind_one_that_covers_it_is_refused(first: str, second: str) -> None:
    """The first that names an event counts, so the cooldown of the second would count for none."""
    wide, narrow = (EventTrigger(event="airport.opened", resource=each) for each in (first, second))
    calm = narrow.model_copy(update={"cooldown": timedelta(days=7)})

    with pytest.raises(ValidationError, match="which counts first"):
        TriggersSpec(events=(wide, calm))

    assert first == second or TriggersSpec(events=(calm, wide))
    assert TriggersSpec(events=(wide, calm.model_copy(update={"event": "airport.closed"})))


def test_the_senders_clock_is_not_asked() -> None:
    """An event of tomorrow, or of last year, asks for a training of when it was received."""
    skewed = [event(occurred=NOW + timedelta(days=days)) for days in (1, -365)]

    assert [each.as_of for each in heard(skewed, [OPENED])] == [NOW, NOW]


def test_an_event_may_say_what_time_it_is_about() -> None:
    """With a zone, and not in the future."""
    [found] = heard([event(payload={"as_of": "2026-11-01T06:00:00+01:00"})], [OPENED])

    assert (found.as_of, found.fault) == (datetime(2026, 11, 1, 5, tzinfo=UTC), "")


@pytest.mark.parametrize(
    "as_of", ["yesterday", "2026-11-01", "2026-11-01T06:00:00", 7, [], {}, "x" * 9999, "\x00"]
)
def test_a_malformed_event_asks_for_nothing_and_says_why(as_of: object) -> None:
    """Whatever an application sends, nobody trains for a time that it did not mean."""
    [found] = heard([event(payload={"as_of": as_of})], [OPENED])

    assert "no time with a zone" in found.fault
    assert len(found.fault) < 200


def test_an_event_of_the_future_asks_for_nothing() -> None:
    """Nothing is known then."""
    [found] = heard([event(payload={"as_of": "2027-01-01T00:00:00Z"})], [OPENED])

    assert found.fault == "as_of is 2027-01-01T00:00:00+00:00, after the event was received."


@pytest.mark.parametrize(
    "given",
    [
        {"event": ""},
        {"event": "two words"},
        {"event": "a", "resource": ""},
        {"event": "a", "resource": "a*b"},
        {"event": "a", "resource": "!a"},
        {"event": "a", "cooldown": "-PT1H"},
    ],
)
def test_a_trigger_that_no_event_can_fit_is_refused(given: dict[str, object]) -> None:
    """A star stands at the end of a resource, and Prefect would read an exclamation mark as not."""
    with pytest.raises(ValidationError):
        EventTrigger.model_validate(given)
