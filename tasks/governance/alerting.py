"""Telling people: each channel once, and a channel that fails is tried again by the upkeep."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from prefect.runtime import flow_run

from infra.addresses import addresses
from infra.alerts import Message, send
from infra.entries import Entry, Kind, Recorded
from infra.errors import PerennialError, few
from infra.ledger import Ledger
from infra.steps import step
from tasks.governance.notices import AlertSpec, Notice, channels
from tasks.governance.reminders import waiting_notices
from tasks.governance.reviews import Pending
from tasks.governance.spec import ApprovalSpec

_TRIED_FOR: Final = timedelta(days=1)
_LOOKED_AT: Final = 500
"""The newest messages, among which those that failed are looked for."""


class Told(NamedTuple):
    """What became of a message to a channel: it was told, or why not."""

    channel: str
    title: str
    failure: str = ""


def alert(notice: Notice, rules: tuple[AlertSpec, ...]) -> None:
    """Tell those who want to be told; nothing at all where nobody does.

    A channel that fails does not fail the run: the run's log and the ledger say so.
    """
    wanted = tuple(channels(notice, rules))
    if wanted:
        tell(notice, wanted)


@step(moving=True)
def tell(notice: Notice, wanted: tuple[str, ...]) -> int:
    """How many channels were told now; one that was told before is not told again.

    Raises:
        BackendError: the database is gone.
    """
    from prefect.logging import get_run_logger

    message, told = message_of(notice), 0
    for channel in wanted:
        if Ledger().find(_key(notice, channel)) is not None:
            continue
        try:
            send(channel, message)
        except PerennialError as error:
            get_run_logger().warning("Nobody was told. %s %s", error.args[0], error.advice)
            _record(notice, channel, message, failure=str(error.args[0]))
        else:
            _record(notice, channel, message)
            told += 1
    return told


def tell_again(now: datetime) -> Iterator[Told]:
    """Try the channels again that failed within a day; what became of each message.

    Raises:
        BackendError: the database is gone.
    """
    ledger = Ledger()
    failed = {
        _again(each): each
        for each in ledger.entries(kind=Kind.ALERT, limit=_LOOKED_AT)
        if each.payload["failure"] and now - each.at < _TRIED_FOR
    }
    for key, each in failed.items():
        channel, title = str(each.payload["channel"]), str(each.payload["title"])
        if ledger.find(key) is not None:
            continue
        try:
            send(channel, Message(title=title, text=str(each.payload["text"])))
        except PerennialError as error:
            yield Told(channel, title, str(error.args[0]))
            continue
        ledger.append(_sent(each, key))
        yield Told(channel, title)


def remind(
    pending: Pending, approval: ApprovalSpec, rules: tuple[AlertSpec, ...], now: datetime
) -> Iterator[Told]:
    """Tell people that a review still waits; what became of each message that was due now.

    Raises:
        BackendError: the database is gone.
    """
    for notice in waiting_notices(pending, approval, now):
        yield from tell_outside(notice, rules)


def tell_outside(notice: Notice, rules: tuple[AlertSpec, ...]) -> Iterator[Told]:
    """Tell those who want to be told, once, where no run does; what became of each message.

    A channel that fails is tried again by `tell_again`.

    Raises:
        BackendError: the database is gone.
    """
    for channel in channels(notice, rules):
        key, message = _key(notice, channel), message_of(notice)
        known = (Ledger().find(each) for each in (key, _failed(key)))
        if any(each is not None for each in known):
            continue
        try:
            send(channel, message)
        except PerennialError as error:
            _record(notice, channel, message, failure=str(error.args[0]))
            yield Told(channel, notice.title, str(error.args[0]))
        else:
            _record(notice, channel, message)
            yield Told(channel, notice.title)


def sentences(told: Iterable[Told]) -> Iterator[str]:
    """One for each message that went out, and one for each channel that takes none.

    >>> refused = "The channel 'oncall' did not take the message: it did not answer in time."
    >>> told = [Told("oncall", "A", refused), Told("team", "A"), Told("oncall", "B", refused)]
    >>> list(sentences(told)) == ["A: team was told.", f"2 messages wait (A, B). {refused}"]
    True
    """
    waiting: dict[str, list[Told]] = {}
    for each in told:
        if each.failure:
            waiting.setdefault(each.channel, []).append(each)
        else:
            yield f"{each.title}: {each.channel} was told."
    for messages in waiting.values():
        count = "1 message waits" if len(messages) == 1 else f"{len(messages)} messages wait"
        titles = few([each.title for each in messages], most=3)
        yield f"{count} ({titles}). {messages[-1].failure}"


def message_of(notice: Notice) -> Message:
    """What a notice says, with its links: where to decide, the report, the run that is telling."""
    links = [f"Decide: {addresses().run(notice.review)}"] if notice.review else []
    links += [f"Report: {notice.link}"] if notice.link else []
    if flow_run.id:
        links.append(f"Run: {addresses().run(flow_run.id)}")
    return Message(title=notice.title, text="\n".join([*notice.lines, "", *links]))


def _record(notice: Notice, channel: str, message: Message, failure: str = "") -> None:
    key = _key(notice, channel)
    Ledger().append(
        Entry(
            kind=Kind.ALERT,
            model=notice.model,
            as_of=notice.as_of,
            subject=notice.subject,
            reason=failure or f"{channel} was told.",
            payload={
                "occasion": str(notice.occasion),
                "channel": channel,
                "title": message.title,
                "text": message.text,
                "failure": failure,
            },
            key=_failed(key) if failure else key,
        )
    )


def _sent(failed: Recorded, key: str) -> Entry:
    channel = str(failed.payload["channel"])
    return Entry(
        kind=Kind.ALERT,
        model=failed.model,
        as_of=failed.as_of,
        subject=failed.subject,
        reason=f"{channel} was told.",
        payload={**failed.payload, "failure": ""},
        key=key,
    )


def _key(notice: Notice, channel: str) -> str:
    return f"{Kind.ALERT}:{notice.model}:{notice.occasion}:{notice.subject}:{channel}"


def _failed(key: str) -> str:
    return f"{key}:failed:{flow_run.id}:{flow_run.run_count}"


def _again(failed: Recorded) -> str:
    return failed.key.partition(":failed:")[0]
