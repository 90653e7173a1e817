"""Telling people: each channel once, and a channel that fails is tried again by the upkeep."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from prefect.runtime import flow_run
from pydantic import JsonValue

from infra.addresses import addresses
from infra.alerts import Message, Taken, send
from infra.entries import Entry, Kind, Recorded
from infra.errors import PerennialError, few
from infra.ledger import Ledger
from infra.steps import step
from tasks.governance.notices import AlertSpec, Notice, channels
from tasks.governance.recording import decided
from tasks.governance.reminders import waiting_notices
from tasks.governance.reviews import Pending
from tasks.governance.spec import ApprovalSpec

_TRIED_FOR: Final = timedelta(days=1)
_PAUSES: Final = (timedelta(hours=1), timedelta(hours=4), timedelta(hours=12))
"""Before each further try where a channel may have taken what it did not answer to."""

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

    told = 0
    for channel in wanted:
        if Ledger().find(_key(notice, channel)) is not None:
            continue
        error = _try(notice, channel)
        told += error is None
        if error is not None:
            get_run_logger().warning("Nobody was told. %s %s", error.args[0], error.advice)
    return told


def tell_again(now: datetime) -> Iterator[Told]:
    """Try the channels again that failed within a day; what became of each message.

    Where somebody may have got it all the same the pauses grow and the tries are few, and where
    somebody has there is none. What asks for a decision that is taken, or late, is told to nobody.

    Raises:
        BackendError: the database is gone.
    """
    ledger = Ledger()
    for key, tries in _failures(now).items():
        newest = tries[-1]
        channel, title = str(newest.payload["channel"]), str(newest.payload["title"])
        if ledger.find(key) is not None:
            continue
        over = _is_over(newest, now)
        if over:
            ledger.append(_again_of(newest, key, over))
        if over or not is_due(tries, now):
            continue
        try:
            send(channel, Message(title=title, text=str(newest.payload["text"])))
        except PerennialError as error:
            failure, taken = str(error.args[0]), _taken(error)
            if taken != Taken.NOBODY:
                place = f"{key}:failed:again:{len(tries)}"
                ledger.append(_again_of(newest, place, failure, taken))
            yield Told(channel, title, failure)
            continue
        ledger.append(_again_of(newest, key))
        yield Told(channel, title)


def _failures(now: datetime) -> dict[str, list[Recorded]]:
    """The tries of each message that failed within a day, the oldest first, by its key."""
    found: dict[str, list[Recorded]] = {}
    told = Ledger().entries(kind=Kind.ALERT, limit=_LOOKED_AT)
    for each in sorted(told, key=lambda each: each.id):
        if each.payload["failure"] and now - _since(each) < _TRIED_FOR:
            found.setdefault(each.key.partition(":failed:")[0], []).append(each)
    return found


def _since(failed: Recorded) -> datetime:
    """When the first try was; a further one keeps it."""
    kept = failed.payload.get("since")
    return datetime.fromisoformat(str(kept)) if kept else failed.at


def is_due(tries: list[Recorded], now: datetime) -> bool:
    """Whether a message is tried again now, by who may have got it at the tries that failed.

    Args:
        tries: those, the oldest first.
        now: the time.
    """
    taken = [each.payload.get("taken", Taken.NOBODY) for each in tries]
    if Taken.SOME in taken:
        return False
    doubtful = [each for each in tries if each.payload.get("taken") == Taken.PERHAPS]
    if not doubtful:
        return True
    place = len(doubtful) - 1
    return place < len(_PAUSES) and now - doubtful[-1].at >= _PAUSES[place]


def _is_over(failed: Recorded, now: datetime) -> str:
    """Why nobody needs to be asked any more; empty where nothing was asked, or it still is."""
    asked = Ledger().entries(failed.model, Kind.QUESTION)
    run = failed.payload.get("review")
    question = next((each for each in asked if run and each.payload["run"] == run), None)
    if question is None:
        return ""
    if decided(question.evidence) is not None:
        return "It was not told any more, for it has been decided."
    late = now >= datetime.fromisoformat(str(question.payload["deadline"]))
    return "It was not told any more, for the deadline has passed." if late else ""


def _taken(error: PerennialError) -> str:
    """Who may have got a message; nobody where it could not be sent at all."""
    return str(error.facts.get("taken", Taken.NOBODY))


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
        key = _key(notice, channel)
        known = (Ledger().find(each) for each in (key, _failed(key)))
        if any(each is not None for each in known):
            continue
        error = _try(notice, channel)
        yield Told(channel, notice.title, str(error.args[0]) if error else "")


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


def _try(notice: Notice, channel: str) -> PerennialError | None:
    """Tell a channel, and put on record what came of it: why it took nothing, None where it did."""
    message = message_of(notice)
    try:
        send(channel, message)
    except PerennialError as error:
        _record(notice, channel, message, error)
        return error
    _record(notice, channel, message)
    return None


def message_of(notice: Notice) -> Message:
    """What a notice says, with its links: where to decide, the report, the run that is telling."""
    links = [f"Decide: {addresses().run(notice.review)}"] if notice.review else []
    links += [f"Report: {notice.link}"] if notice.link else []
    if flow_run.id:
        links.append(f"Run: {addresses().run(flow_run.id)}")
    return Message(title=notice.title, text="\n".join([*notice.lines, "", *links]))


def _record(
    notice: Notice, channel: str, message: Message, error: PerennialError | None = None
) -> None:
    key, failure = _key(notice, channel), str(error.args[0]) if error else ""
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
                **({"taken": _taken(error), "review": notice.review} if error else {}),
            },
            key=_failed(key) if failure else key,
        )
    )


def _again_of(failed: Recorded, key: str, failure: str = "", taken: str = Taken.NOBODY) -> Entry:
    """The record of a further try of a message, or of why there is none."""
    channel = str(failed.payload["channel"])
    more: dict[str, JsonValue] = {"taken": str(taken), "since": _since(failed).isoformat()}
    return Entry(
        kind=Kind.ALERT,
        model=failed.model,
        as_of=failed.as_of,
        subject=failed.subject,
        reason=failure or f"{channel} was told.",
        payload={**failed.payload, "failure": failure, **(more if failure else {})},
        key=key,
    )


def _key(notice: Notice, channel: str) -> str:
    return f"{Kind.ALERT}:{notice.model}:{notice.occasion}:{notice.subject}:{channel}"


def _failed(key: str) -> str:
    return f"{key}:failed:{flow_run.id}:{flow_run.run_count}"
