"""What becomes of a run whose process ended before its flow had begun: values alone."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Crashed, Pending, Running

from infra.gpu.adoption import LABEL, is_of, mark, of_another
from infra.gpu.beginnings import MOST, UNBEGUN, met_no_server, never_began, successor
from infra.gpu.leases import Lease
from infra.gpu.placement import Grant
from infra.resources import RunRequest

LEASE = Lease(
    id=7,
    run=UUID(int=1),
    worker="api/pool/left",
    request=RunRequest(gpus=1),
    grant=Grant(cpus=0, memory_bytes=0),
    since=datetime(2024, 4, 1, tzinfo=UTC),
)
NEXT = LEASE.model_copy(update={"id": 8})


@pytest.mark.parametrize(
    ("code", "words", "claim"),
    [
        (1, "httpx.ConnectError: All connection attempts failed\n", True),
        (1, "  raise\nhttpx.ReadTimeout\n\nlater lines\n", True),
        (1, "prefect.exceptions.PrefectHTTPStatusError: Server error '503 ...'\n", True),
        (1, "httpx.HTTPStatusError: Client error '404 Not Found' for url ...\n", False),
        (1, "ModuleNotFoundError: No module named 'model'\n", False),
        (0, "httpx.ConnectError: handled\n", False),
        (-9, "httpx.ConnectError: All connection attempts failed\n", False),
    ],
)
def test_a_process_that_met_no_server_is_known_by_its_end(
    code: int, words: str, *, claim: bool
) -> None:
    """An engine that gives up ends with 1 and names the client's error; nothing else counts."""
    assert met_no_server(code, words) is claim


@pytest.mark.parametrize(
    ("state", "label", "claim"),
    [
        (Pending(), mark(LEASE), True),
        (Pending(message=mark(LEASE)), "", True),
        (Pending(), "", False),
        (Running(), mark(LEASE), False),
        (Crashed(), mark(LEASE), False),
        (None, mark(LEASE), False),
    ],
)
def test_only_a_run_that_is_pending_under_its_own_lease_has_not_begun(
    state: State[object] | None, label: str, *, claim: bool
) -> None:
    """Running may have begun, whatever its process said; another's lease is another's business."""
    run = FlowRun(flow_id=UUID(int=2), state=state, labels={LABEL: label} if label else {})

    assert never_began(run, LEASE) is claim


@pytest.mark.parametrize(
    ("message", "label", "ours", "another"),
    [
        (None, mark(LEASE), True, False),
        (mark(LEASE), mark(NEXT), True, False),
        (mark(NEXT), mark(LEASE), False, True),
        (None, mark(NEXT), False, True),
        (None, "", False, False),
        ("It waits again.", mark(LEASE.model_copy(update={"worker": "api/pool/b"})), True, False),
    ],
    ids=["ours", "just taken", "just taken by another", "another's", "nobody's", "taken over"],
)
def test_a_run_is_known_by_the_lease_that_it_was_taken_with_last(
    message: str | None, label: str, *, ours: bool, another: bool
) -> None:
    """The label lags behind the state; a lease that was taken over twice is the same lease."""
    labels = {LABEL: label} if label else {}
    run = FlowRun(flow_id=UUID(int=2), state=Pending(message=message), labels=labels)

    assert is_of(run, LEASE) is ours
    assert of_another(run, LEASE) is another


def test_a_run_that_never_begins_is_started_three_times_more() -> None:
    """Then it is Crashed, and its page says why and how often."""
    first, last = successor(0, "No server answered"), successor(MOST, "No server answered")

    assert (first.name, first.is_scheduled()) == (UNBEGUN, True)
    assert first.message == "No server answered. It waits again (start 1 of 3)."
    assert last.is_crashed()
    assert str(last.message).startswith("No server answered, as in 3 starts before. Start it again")
