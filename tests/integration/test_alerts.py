"""Telling people: a real webhook and a real mail server on loopback, and the ledger between."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as Mailbox
from prefect import flow

from infra.alerts import Message, send
from infra.errors import BackendError, ConfigError
from infra.ledger import Kind, Ledger
from infra.settings import settings
from tasks.governance.alerting import alert, remind, tell_again
from tasks.governance.notices import AlertSpec, Notice, Occasion
from tasks.governance.spec import ApprovalSpec
from tests.support.homes import environment, home_on
from tests.support.postgres import postgres_server
from tests.support.subjects import pending
from tests.support.webhooks import Webhook, receiver

NOTICE = Notice(
    occasion=Occasion.RETRAIN,
    model="flights",
    as_of=datetime(2013, 7, 1, tzinfo=UTC),
    subject="d" * 64,
    title="flights 2013-06: retrain",
    lines=("48% of the rows lie beyond what the champion learned from.",),
    link="http://127.0.0.1:1/report",
)
RULES = (AlertSpec.model_validate({"on": ["retrain", "ask"], "to": ["team"]}),)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook that takes everything."""
    with receiver() as hook:
        yield hook


@contextmanager
def channels(**addresses: str) -> Iterator[None]:
    """A machine that knows some channels."""
    with environment({"PERENNIAL_ALERTS": json.dumps(addresses)}):
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL server for this module."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def _ledger(server: str, api: str, tmp_path: Path) -> Iterator[None]:
    assert api
    with home_on(server, tmp_path):
        yield


@flow(name="telling")
def telling() -> None:
    """Tells of a window."""
    alert(NOTICE, RULES)


def test_mail_reaches_its_reader() -> None:
    """A subject and the sentences, by SMTP."""
    letters: list[Any] = []

    class Box(Mailbox):
        def handle_message(self, message: Any) -> None:  # noqa: ANN401 - the library's own
            letters.append(message)

    with closing(socket.socket()) as probe:  # the library asks itself at the port it was given
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    post = Controller(Box(), hostname="127.0.0.1", port=port)
    post.start()
    try:
        with channels(team=f"mailto://127.0.0.1:{port}?from=p@example.org&to=ann@example.org"):
            send("team", Message(title="flights 2013-06: alert", text="The predictions moved."))
    finally:
        post.stop()

    [letter] = letters
    assert letter["Subject"] == "flights 2013-06: alert"
    assert letter["To"] == "ann@example.org"
    assert "The predictions moved." in str(letter)


@pytest.mark.usefixtures("_ledger")
def test_a_run_that_is_repeated_tells_once(webhook: Webhook) -> None:
    """The message names the run and the report; the ledger knows who was told of what."""
    with channels(team=webhook.address):
        telling()
        telling()

    [post] = webhook.posts
    assert post["title"] == NOTICE.title
    assert NOTICE.lines[0] in post["message"]
    assert f"Report: {NOTICE.link}" in post["message"]
    assert "/runs/flow-run/" in post["message"]
    [told] = Ledger().entries("flights", Kind.ALERT)
    assert (told.reason, told.payload["occasion"]) == ("team was told.", "retrain")
    assert "s3cret" not in told.model_dump_json()


@pytest.mark.usefixtures("_ledger")
def test_a_channel_that_fails_fails_no_run_and_is_told_later(webhook: Webhook) -> None:
    """The run's log and the ledger say so; the upkeep tries again, and once it went no more."""
    webhook.answer = 500
    now = datetime.now(UTC)
    with channels(team=webhook.address):
        telling()
        [failed] = Ledger().entries("flights", Kind.ALERT)
        still = list(tell_again(now))
        webhook.answer = 200
        again = list(tell_again(now))

        assert list(tell_again(now)) == []
        assert list(tell_again(now + timedelta(days=2))) == []

    assert failed.payload["failure"] == (
        f"The channel 'team' did not take the message {NOTICE.title!r}."
    )
    assert still == [f"{NOTICE.title}: {failed.payload['failure']}"]
    assert again == [f"{NOTICE.title}: team was told."]
    assert [post["title"] for post in webhook.posts] == [NOTICE.title]


@pytest.mark.usefixtures("_ledger")
def test_a_review_that_waits_is_told_of_once_and_again_where_that_failed(webhook: Webhook) -> None:
    """However often the upkeep comes by; a channel that failed is left to its second try."""
    asked = datetime.now(UTC)
    later = asked + timedelta(days=1)
    approval = ApprovalSpec(remind_after=timedelta(hours=1))
    rules = (AlertSpec.model_validate({"on": ["remind"], "to": ["team"]}),)
    webhook.answer = 500
    with channels(team=webhook.address):
        [failed] = remind(pending(asked), approval, rules, later)
        webhook.answer = 200
        assert list(remind(pending(asked), approval, rules, later)) == []
        [told] = tell_again(asked)
        assert list(remind(pending(asked), approval, rules, later)) == []

    assert "did not take the message" in failed
    assert "team was told" in told
    [post] = webhook.posts
    assert "Decide: http://127.0.0.1:1/run" in post["message"]


def test_who_wants_to_be_told_of_nothing_costs_nothing() -> None:
    """No rule, no step, no question to any server."""
    alert(NOTICE, ())
    alert(NOTICE.model_copy(update={"occasion": None}), RULES)
    alert(NOTICE.model_copy(update={"occasion": Occasion.HOLD}), RULES)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ("{}", ConfigError, "no channel 'team'"),
        ('{"team": "pigeon://loft/s3cret"}', ConfigError, "does not understand the address"),
        ('{"team": "json://127.0.0.1:1/s3cret"}', BackendError, "did not take the message"),
        ("mailto://me:s3cret@host", ConfigError, "no JSON object"),
        ('["mailto://me:s3cret@host"]', ConfigError, "PERENNIAL_ALERTS"),
    ],
)
def test_a_channel_that_cannot_be_used_is_a_sentence_without_its_secret(
    given: str, error: type[Exception], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Missing, of a kind nobody knows, not reachable, or no JSON."""
    with environment({"PERENNIAL_ALERTS": given}):
        with pytest.raises(error, match=said) as caught:
            send("team", Message(title="t", text="x"))
        settings.cache_clear()

    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"
