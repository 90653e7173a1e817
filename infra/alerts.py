"""Messages to people, handed to Apprise: mail, Slack, Teams, a webhook and a hundred more.

Where a channel leads is a setting of the machine, because such an address holds a password.
"""

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
        BackendError: the channel did not take the message; the kind of failure is told.
    """
    address = settings().alerts.get(channel)
    if address is None:
        raise _unknown(channel)
    with _overheard() as said:
        sender = _sender(channel, address)
        taken = _notified(sender, message)
    if not taken:
        raise BackendError(
            f"The channel {channel!r} did not take the message: {kind_of(said)}.",
            hint="See that its address in PERENNIAL_ALERTS is right and that it can be reached.",
        )


def flaws() -> Iterator[ConfigError]:
    """What is wrong with the addresses in ``PERENNIAL_ALERTS``; nothing is sent to see that.

    Raises:
        ConfigError: the variable holds no channels at all.
    """
    for channel, address in settings().alerts.items():
        try:
            with _overheard():
                _sender(channel, address)
        except ConfigError as error:
            yield error


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


def _notified(sender: "Apprise", message: Message) -> bool:
    from apprise import NotifyFormat

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
