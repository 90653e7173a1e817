"""Telling people: a real webhook and a real mail server on loopback, and the ledger between."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as Mailbox
from aiosmtpd.smtp import AuthResult
from prefect import flow

from infra.alerts import Message, Taken, flaws, send
from infra.errors import BackendError, ConfigError
from infra.ledger import Entry, Kind, Ledger, Recorded
from infra.settings import settings
from tasks.governance.alerting import Told, alert, is_due, remind, sentences, tell_again
from tasks.governance.notices import AlertSpec, Notice, Occasion
from tasks.governance.reviews import Pending, refuse
from tasks.governance.spec import ApprovalSpec
from tests.support.homes import environment
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
    review="0b5e0f3a-0000-4000-8000-000000000000",
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


class Box(Mailbox):
    """Keeps the letters that come."""

    def __init__(self) -> None:
        super().__init__()
        self.letters: list[Any] = []

    def handle_message(self, message: Any) -> None:  # noqa: ANN401 - the library's own
        """Keep one."""
        self.letters.append(message)


@contextmanager
def mail_server(box: Box, **options: Any) -> Iterator[str]:  # noqa: ANN401 - the library's own
    """A mail server on loopback; its host and port."""
    with closing(socket.socket()) as probe:  # the library asks itself at the port it was given
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    post = Controller(box, hostname="127.0.0.1", port=port, **options)
    post.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        post.stop()


@flow(name="telling")
def telling() -> None:
    """Tells of a window."""
    alert(NOTICE, RULES)


def test_mail_reaches_its_reader() -> None:
    """A subject, the sentences and the links, by SMTP."""
    box = Box()
    text = "The predictions moved.\n\nDecide: http://127.0.0.1:1/runs/flow-run/0b5e?a=1&b=<2>"

    with (
        mail_server(box) as where,
        channels(team=f"mailto://{where}?from=p@example.org&to=ann@example.org"),
    ):
        send("team", Message(title="flights 2013-06: alert", text=text))

    [letter] = box.letters
    assert letter["Subject"] == "flights 2013-06: alert"
    assert letter["To"] == "ann@example.org"
    assert letter.get_content_type() == "text/plain", "readers make links there, and break lines"
    assert letter.get_payload(decode=True).decode().split() == text.split()


@pytest.mark.usefixtures("ledger_beside_runs")
def test_a_run_that_is_repeated_tells_once(webhook: Webhook) -> None:
    """The message leads to the question, the report and the run; the ledger knows who was told."""
    with channels(team=webhook.address):
        telling()
        telling()

    [post] = webhook.posts
    assert post["title"] == NOTICE.title
    assert NOTICE.lines[0] in post["message"]
    assert f"/runs/flow-run/{NOTICE.review}\nReport: {NOTICE.link}\nRun: " in post["message"]
    assert post["message"].count("/runs/flow-run/") == 2
    [told] = Ledger().entries("flights", Kind.ALERT)
    assert (told.reason, told.payload["occasion"]) == ("team was told.", "retrain")
    assert "s3cret" not in told.model_dump_json()


@pytest.mark.usefixtures("ledger_beside_runs")
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
        "The channel 'team' did not take the message: it answered 500 (Internal Server Error)."
    )
    assert still == [Told("team", NOTICE.title, str(failed.payload["failure"]))]
    assert again == [Told("team", NOTICE.title)]
    assert [post["title"] for post in webhook.posts] == [NOTICE.title]


@pytest.mark.usefixtures("ledger_beside_runs")
def test_what_a_channel_may_have_taken_is_sent_again_seldom(webhook: Webhook) -> None:
    """A server that did not answer in time may have told people: four tries in all, far apart."""
    webhook.answer = 504
    now = datetime.now(UTC)
    with channels(team=webhook.address):
        telling()
        tries = [
            (minutes, len(list(tell_again(now + timedelta(minutes=minutes)))))
            for minutes in (0, 50, 70, 80)
        ]

    assert tries == [(0, 0), (50, 0), (70, 1), (80, 0)]
    first, second = Ledger().entries("flights", Kind.ALERT)
    assert (first.payload["taken"], second.payload["taken"]) == ("perhaps", "perhaps")
    assert second.payload["since"] == first.at.isoformat()


def test_the_pauses_grow_and_the_tries_end() -> None:
    """Nobody gets a message more than four times, and where somebody has it nobody twice."""
    sent = [failed_at(hours, Taken.PERHAPS) for hours in (0, 1, 5, 17)]
    some = failed_at(0, Taken.SOME)

    due = [is_due(sent[:number], sent[0].at + timedelta(hours=5)) for number in (1, 2, 3)]

    assert due == [True, True, False]
    assert not is_due(sent, sent[0].at + timedelta(hours=90))
    assert not is_due([some], some.at + timedelta(hours=20))
    assert is_due([failed_at(0, Taken.NOBODY)], some.at)


def failed_at(hours: int, taken: Taken) -> Recorded:
    """A try that failed, so many hours after the first."""
    entry = Entry(
        kind=Kind.ALERT,
        model="flights",
        as_of=NOTICE.as_of,
        subject="s",
        payload={"taken": taken.value, "failure": "it did not answer in time"},
    )
    return Recorded.sealed(entry, None, NOTICE.as_of + timedelta(hours=hours))


class Strict(Box):
    """A mail server that knows some people no more."""

    async def handle_RCPT(self, *said: Any) -> str:  # noqa: ANN401, N802 - the library's own
        """Take a letter to anybody but them."""
        envelope, address = said[2], str(said[3])
        if address.startswith("gone"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"


@pytest.mark.usefixtures("ledger_beside_runs")
def test_where_one_of_several_places_fails_the_others_are_told_once() -> None:
    """It is on record that some have it, and whoever looks at the channels is warned."""
    box = Strict()
    to = "from=p@example.org&to=ann@example.org,gone@example.org"
    with mail_server(box) as where, channels(team=f"mailto://{where}?{to}"):
        telling()
        assert list(tell_again(datetime.now(UTC) + timedelta(hours=20))) == []
        [flaw] = flaws()

    assert len(box.letters) == 1
    [failed] = Ledger().entries("flights", Kind.ALERT)
    assert failed.payload["taken"] == "some"
    assert "names 2 places" in str(flaw)


@pytest.mark.usefixtures("ledger_beside_runs")
def test_what_asks_for_a_decision_is_not_told_once_it_is_taken(webhook: Webhook) -> None:
    """A channel that comes back after the decision, or after the deadline, says nothing of it."""
    now = datetime.now(UTC)
    taken, late = (pending(now).model_copy(update={"evidence": each * 64}) for each in "tl")
    late = late.model_copy(update={"run_id": "2"})
    rules = (AlertSpec.model_validate({"on": ["remind"], "to": ["team"]}),)
    approval = ApprovalSpec(remind_after=timedelta(seconds=1))
    webhook.answer = 500
    with channels(team=webhook.address):
        for each, until in ((taken, now + timedelta(days=3)), (late, now + timedelta(hours=1))):
            asked(each, until)
            assert len(list(remind(each, approval, rules, now + timedelta(minutes=1)))) == 1
        refuse(taken, "It was refused.")
        webhook.answer = 200

        assert list(tell_again(now + timedelta(hours=2))) == []
        assert list(tell_again(now)) == []

    assert webhook.posts == []
    said = [each.reason for each in Ledger().entries("flights", Kind.ALERT)][2:]
    assert [each.rpartition(", for ")[2] for each in said] == [
        "it has been decided.",
        "the deadline has passed.",
    ]


def asked(review: Pending, deadline: datetime) -> None:
    """The question of a review on record."""
    payload = {"run": review.run_id, "deadline": deadline.isoformat()}
    Ledger().append(
        Entry(
            kind=Kind.QUESTION,
            model=review.model,
            as_of=review.as_of,
            subject=review.evidence,
            evidence=review.evidence,
            payload=dict(payload),
        )
    )


@pytest.mark.usefixtures("ledger_beside_runs")
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

    assert "did not take the message" in failed.failure
    assert list(sentences([told])) == [f"{told.title}: team was told."]
    [post] = webhook.posts
    assert "Decide: http" in post["message"]
    assert post["message"].endswith(f"/runs/flow-run/{pending(asked).run_id}")


def test_who_wants_to_be_told_of_nothing_costs_nothing() -> None:
    """No rule, no step, no question to any server."""
    alert(NOTICE, ())
    alert(NOTICE.model_copy(update={"occasion": None}), RULES)
    alert(NOTICE.model_copy(update={"occasion": Occasion.HOLD}), RULES)


def nobody(*_: object) -> AuthResult:
    """Admits nobody."""
    return AuthResult(success=False, handled=False)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # on loopback
@pytest.mark.parametrize(
    ("login", "said"),
    [
        ("", "its mail server answered 530, so the login in its address is missing or wrong"),
        ("me:s3cret@", "its mail server answered 535, so the login in its address is missing or"),
    ],
    ids=["no login", "another password"],
)
def test_a_mail_server_that_refuses_is_told_by_what_it_answered(
    login: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The password is neither in the error nor in any log, however much is logged."""
    caplog.set_level("DEBUG")
    wanted = {"auth_required": True, "auth_require_tls": False, "authenticator": nobody}
    with mail_server(Box(), **wanted) as where:
        address = f"mailto://{login}{where}?from=p@example.org&to=ann@example.org"
        with channels(team=address), pytest.raises(BackendError, match=said) as caught:
            send("team", Message(title="t", text="x"))

    assert "s3cret" not in f"{caught.value!r} {caught.value.facts} {caplog.text}"
    assert "example.org" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (401, r"it answered 401 \(Unauthorized\), so the login in its address is missing or wrong"),
        (404, r"it answered 404 \(Not Found\)\."),
        (503, r"it answered 503 \(Service Unavailable\)\."),
    ],
)
def test_a_webhook_that_refuses_is_told_by_its_answer(
    webhook: Webhook, answer: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The kind of failure, and never the address."""
    caplog.set_level("DEBUG")
    webhook.answer = answer
    with channels(team=webhook.address), pytest.raises(BackendError, match=said) as caught:
        send("team", Message(title="t", text="x"))

    assert "s3cret" not in f"{caught.value!r} {caught.value.facts} {caplog.text}"
    assert str(webhook.server.server_port) not in str(caught.value)


def test_an_address_that_nobody_could_send_to_is_found_before_anything_is_sent() -> None:
    """Each wrong one by the name of its channel; nothing of it is shown, and nothing is sent."""
    with channels(team="json://127.0.0.1:1/hook", oncall="pigeon://loft/s3cret"):
        [flaw] = flaws()

    assert "channel 'oncall'" in str(flaw)
    assert "s3cret" not in str(flaw)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ("{}", ConfigError, "no channel 'team'"),
        ('{"team": "pigeon://loft/s3cret"}', ConfigError, "does not understand the address"),
        ('{"team": "json://127.0.0.1:1/s3cret"}', BackendError, "the connection was refused"),
        ('{"team": "json://nobody.invalid/s3cret"}', BackendError, "its host has no address"),
        ('{"team": "jsons://127.0.0.1:1/s3cret"}', BackendError, "the connection was refused"),
        ("mailto://me:s3cret@host", ConfigError, "no JSON object"),
        ('["mailto://me:s3cret@host"]', ConfigError, "PERENNIAL_ALERTS"),
    ],
)
def test_a_channel_that_cannot_be_used_is_a_sentence_without_its_secret(
    given: str, error: type[Exception], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Missing, of a kind nobody knows, not reachable, or no JSON."""
    caplog.set_level("DEBUG")
    with environment({"PERENNIAL_ALERTS": given}):
        with pytest.raises(error, match=said) as caught:
            send("team", Message(title="t", text="x"))
        settings.cache_clear()

    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"
