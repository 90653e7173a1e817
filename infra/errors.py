"""Every error of ours, in one tree, by what should happen next."""

from typing import ClassVar


class PerennialError(Exception):
    """A sentence for people, `facts` for machines, a `hint` for what to do next."""

    hint: ClassVar[str] = "Run `perennial doctor` to see what is wrong with this machine."
    retries: ClassVar[int] = 0

    def __init__(self, message: str, *, hint: str | None = None, **facts: object) -> None:
        super().__init__(message)  # only the message in args, so that it unpickles elsewhere
        self.facts = facts
        if hint is not None:
            self.advice = hint

    @property
    def advice(self) -> str:
        """What to do next: the class's hint unless the one who raised knew better."""
        return str(self.__dict__.get("_advice", self.hint))

    @advice.setter
    def advice(self, hint: str) -> None:
        self.__dict__["_advice"] = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} {self.advice}" if self.advice else message


class ConfigError(PerennialError):
    """A declaration or a setting is wrong; it stays wrong until a person has edited it."""

    hint = "Fix the file or the variable that is named and run the command again."


class DataError(PerennialError):
    """What a source delivered cannot be used; its owner must deliver again."""

    hint = "Nothing was ingested. Ask the owner of the data for a new delivery."


class ResourceError(PerennialError):
    """Something that is needed is busy or full now and may be free later."""

    hint = "Free it, or wait, and run the command again."
    retries = 3


class BackendError(PerennialError):
    """A server or a library that we stand on failed."""

    hint = "Run `perennial status`; `perennial logs` shows what the server last said."
    retries = 1


class IntegrityError(PerennialError):
    """A digest or the chain of records does not match: stop, and let a person look."""

    hint = "Do not retry. Compare the record with the ledger before anything else is written."


def few(items: object, most: int = 5) -> str:
    """At most `most` of the items as text, and how many more there are.

    >>> few(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    listed = (
        [str(item) for item in items] if isinstance(items, list | tuple | set) else [str(items)]
    )
    if len(listed) <= most:
        return ", ".join(listed)
    return f"{', '.join(listed[:most])} and {len(listed) - most} more"


def fault(place: str, message: str) -> str:
    """What a validation says of a field, without the words that pydantic puts before a sentence.

    >>> fault("cooldown", "Input should be a valid timedelta")
    'cooldown: Input should be a valid timedelta'
    >>> fault("", "Value error, every asks for trainings, but most is ask")
    'every asks for trainings, but most is ask'
    """
    said = message.removeprefix("Value error, ")
    return f"{place}: {said}" if place else said
