"""Messages to people, handed to Apprise: mail, Slack, Teams, a webhook and a hundred more.

Where a channel leads is a setting of the machine, because such an address holds a password.
"""

import logging
from typing import Final

from pydantic import BaseModel, ConfigDict

from infra.errors import BackendError, ConfigError, few
from infra.settings import settings

_LIBRARY: Final = "apprise"


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
        BackendError: the channel did not take the message.
    """
    address = settings().alerts.get(channel)
    if address is None:
        known = few(sorted(settings().alerts)) or "none"
        raise ConfigError(
            f"There is no channel {channel!r} on this machine.",
            hint=f"PERENNIAL_ALERTS names {known}; it is a JSON object of names and addresses.",
        )
    from apprise import Apprise, NotifyFormat

    # What the library says of a failure may hold the address.
    logging.getLogger(_LIBRARY).setLevel(logging.CRITICAL)
    sender = Apprise()
    if not sender.add(address.get_secret_value()):
        raise ConfigError(
            f"Apprise does not understand the address of the channel {channel!r}.",
            hint="Correct it in PERENNIAL_ALERTS; Apprise's documentation lists the forms.",
        )
    if not sender.notify(message.text, title=message.title, body_format=NotifyFormat.TEXT):
        raise BackendError(
            f"The channel {channel!r} did not take the message {message.title!r}.",
            hint="See that its address in PERENNIAL_ALERTS is right and that it can be reached.",
        )
