"""Messages to people, handed to Apprise: mail, Slack, Teams, a webhook and a hundred more.

Where a channel leads is a setting of the machine, because such an address holds a password.
"""

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, SecretStr

from infra.errors import BackendError, ConfigError, few
from infra.settings import settings

if TYPE_CHECKING:
    from apprise import Apprise

_LIBRARY: Final = "apprise"
_WIRE: Final = "urllib3"
"""What Apprise sends with, which logs each path."""

_LISTENING: Final = threading.Lock()

_ANSWERED: Final = re.compile(r"\berror=(\d{3})\W*$")
"""How Apprise's plugins end what they say of an answer over HTTP. Source: Apprise 1.13.1."""

_REFUSED: Final = re.compile(r"\((\d{3}), b['\"]")
"""How an exception of smtplib writes what a mail server answered."""

_SENT: Final = "Sent "
"""How Apprise's plugins begin what they log of each place that took a message."""

_NO_ANSWER: Final = frozenset({408, 502, 504})
"""Of whom somebody before the server says that it did not answer: it may have taken what came."""

_WANTS_LOGIN: Final = frozenset({401, 403, 407, 530, 534, 535})

_KINDS: Final[Mapping[str, str]] = {
    "certificate": "its certificate is not trusted",
    "not supported by server": "its server lacks the login or the encryption that was asked for",
    "name resolution|name or service|getaddrinfo|nodename": "its host has no address",
    "refused": "the connection was refused, so nothing listens there",
    "unreachable|no route": "its host cannot be reached from here",
    "timed out|timeout": "it did not answer in time",
    "reset|closed|aborted|disconnected": "it broke the connection off",
    "ssl|tls": "no encrypted connection came about",
}
"""What tells a kind of failure in the text of an exception, and the words that we have for it."""


_NEVER_CAME: Final = re.compile(
    "certificate|not supported by server|name resolution|name or service|getaddrinfo|nodename"
    "|refused|unreachable|no route|connect timeout"
)
"""What an exception says where no message was handed over at all."""


class Taken(StrEnum):
    """Who may have got a message that a channel did not take as a whole."""

    NOBODY = "nobody"
    PERHAPS = "perhaps"
    SOME = "some"


class Message(BaseModel):
    """What is sent: plain text, because a part of it came with the data."""

    model_config = ConfigDict(frozen=True)

    title: str
    text: str


def send(channel: str, message: Message) -> None:
    """Hand a message to a channel.

    Args:
        channel: a name in ``PERENNIAL_ALERTS``.
        message: what to say.

    Raises:
        ConfigError: there is no such channel here, or Apprise does not know its address.
        BackendError: the channel did not take the message; the kind of failure is told, and its
            fact ``taken`` is who may have got it all the same.
    """
    address = settings().alerts.get(channel)
    if address is None:
        raise _unknown(channel)
    with _overheard() as said:
        sender = _sender(channel, address)
        taken = _notified(sender, message)
    if not taken:
        who = taken_by(said, _places(sender))
        some = ", and some of the places that its address names did" if who is Taken.SOME else ""
        raise BackendError(
            f"The channel {channel!r} did not take the message: {kind_of(said)}{some}.",
            hint="See that its address in PERENNIAL_ALERTS is right and that it can be reached.",
            taken=who,
        )


def flaws() -> Iterator[ConfigError]:
    """What is wrong with the addresses in ``PERENNIAL_ALERTS``; nothing is sent to see that.

    One that names several places is wrong too: where one of them fails, nobody can say of the
    others whether to send again.

    Raises:
        ConfigError: the variable holds no channels at all.
    """
    for channel, address in settings().alerts.items():
        try:
            with _overheard():
                places = _places(_sender(channel, address))
        except ConfigError as error:
            yield error
            continue
        if places > 1:
            yield ConfigError(
                f"The address of the channel {channel!r} names {places} places. Where one of them "
                "does not take a message, it is not tried again once another has.",
                hint="Give each a channel of its own in PERENNIAL_ALERTS, or name one mail list.",
            )


def kind_of(said: list[str]) -> str:
    """What kind of failure it was, in words of ours: what the library says may hold the address.

    >>> kind_of(["Failed to send JSON POST notification: Unauthorized, error=401."])
    'it answered 401 (Unauthorized), so the login in its address is missing or wrong'
    >>> kind_of(["Socket Exception: [Errno 111] Connection refused"])
    'the connection was refused, so nothing listens there'

    Args:
        said: the library's log while it was sending.
    """
    answers = [int(found[1]) for each in said if (found := _ANSWERED.search(each))]
    if answers:
        return _answered(answers[-1])
    raised = [each.partition("Exception")[2].lower() for each in said if "Exception" in each]
    refusals = [int(found[1]) for each in raised if (found := _REFUSED.search(each))]
    if refusals:
        return f"its mail server answered {refusals[-1]}{_login(refusals[-1])}"
    for pattern, words in _KINDS.items():
        if any(re.search(pattern, each) for each in raised):
            return words
    return "Apprise gave no reason that is known here"


def taken_by(said: list[str], places: int = 1) -> Taken:
    """Who may have got a message that a channel did not take: it decides whether to try again.

    >>> taken_by(["Failed to send JSON POST notification: Unauthorized, error=401."]).value
    'nobody'
    >>> taken_by(["Socket Exception: [Errno 111] Connection refused"], places=2).value
    'nobody'
    >>> taken_by(["Socket Exception: Read timed out. (read timeout=4.0)"]).value
    'perhaps'
    >>> taken_by(['Sent Email to "ann".', "Socket Exception: {'b': (550, b'gone')}"], 2).value
    'some'

    Args:
        said: the library's log while it was sending.
        places: that the address names.
    """
    if any(each.startswith(_SENT) for each in said):
        return Taken.SOME
    raised = [each.partition("Exception")[2].lower() for each in said if "Exception" in each]
    if raised and all(_NEVER_CAME.search(each) for each in raised):
        return Taken.NOBODY
    answers = [int(found[1]) for each in said if (found := _ANSWERED.search(each))]
    refused = any(_REFUSED.search(each) for each in raised)
    is_clear = refused or bool(answers and not _NO_ANSWER & set(answers))
    return Taken.NOBODY if is_clear and places == 1 else Taken.PERHAPS


def _answered(status: int) -> str:
    known = {each.value: f" ({each.phrase})" for each in HTTPStatus}
    return f"it answered {status}{known.get(status, '')}{_login(status)}"


def _login(status: int) -> str:
    wanted = status in _WANTS_LOGIN
    return ", so the login in its address is missing or wrong" if wanted else ""


def _unknown(channel: str) -> ConfigError:
    known = few(sorted(settings().alerts)) or "none"
    return ConfigError(
        f"There is no channel {channel!r} on this machine.",
        hint=f"PERENNIAL_ALERTS names {known}; it is a JSON object of names and addresses.",
    )


def _sender(channel: str, address: SecretStr) -> "Apprise":
    from apprise import Apprise

    sender = Apprise()
    if not sender.add(address.get_secret_value()):
        raise ConfigError(
            f"Apprise does not understand the address of the channel {channel!r}.",
            hint="Correct it in PERENNIAL_ALERTS; Apprise's documentation lists the forms.",
        )
    return sender


def _places(sender: "Apprise") -> int:
    return sum(len(each) for each in sender)


def _notified(sender: "Apprise", message: Message) -> bool:
    """Whether all took it, as the plain text that it is.

    Where a plugin would write HTML, as for mail, Apprise makes of each space one that no line
    breaks at, and of no address a link; readers of plain text do both.
    """
    from apprise import NotifyFormat

    for each in sender:
        if each.notify_format == NotifyFormat.HTML:
            each.notify_format = NotifyFormat.TEXT
    return bool(sender.notify(message.text, title=message.title, body_format=NotifyFormat.TEXT))


class _Memory(logging.Handler):
    """Keeps what is logged, and shows it to nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What is logged in the block: it may hold the address, so it reaches no other log.

    Outside of it the library stays silent: a sender may say something when it is thrown away.
    """
    memory = _Memory()
    with _LISTENING, _diverted(_LIBRARY, memory), _diverted(_WIRE, memory):
        logging.getLogger(_LIBRARY).setLevel(logging.DEBUG)
        try:
            yield memory.said
        finally:
            logging.getLogger(_LIBRARY).setLevel(logging.CRITICAL)


@contextmanager
def _diverted(name: str, memory: _Memory) -> Iterator[None]:
    """A library whose log goes to one place alone."""
    library = logging.getLogger(name)
    others, further = library.handlers, library.propagate
    library.handlers, library.propagate = [memory], False
    try:
        yield
    finally:
        library.handlers, library.propagate = others, further
