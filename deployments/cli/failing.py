"""How a command ends when something is wrong: a sentence, a hint, an exit code, no traceback."""

import errno
import json
import os
import sys
from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn

import typer
from typer.exceptions import TyperException

FAILED: Final = 1
"""A server, the data or the machine failed."""

WRONG: Final = 2
"""The command, a file or a variable is wrong."""

INTERRUPTED: Final = 130
"""Ctrl-C, as shells count it: 128 and the number of SIGINT."""

UNREAD: Final = 141
"""Whoever read the output has gone away, as in ``| head``: 128 and the number of SIGPIPE."""


class Failure(NamedTuple):
    """What is said of an error."""

    kind: str
    message: str
    hint: str
    code: int


def run(command: Callable[[], object]) -> NoReturn:
    """End the process with the exit code of a command, whatever happens in it.

    ``PERENNIAL_DEBUG=1`` lets an error of ours or of a library through, with its traceback.
    """
    never_garble()
    try:
        code = command()
        sys.stdout.flush()
    except BrokenPipeError:
        _leave_unread()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            _leave_unread()
        if os.environ.get("PERENNIAL_DEBUG", "") not in {"", "0"}:
            raise
        explain(error)
    if code == INTERRUPTED:
        typer.echo("Interrupted.", err=True)
    sys.exit(code if isinstance(code, int) else 0)


def never_garble() -> None:
    """Let a terminal that lacks a letter show another in its place, where Python would fail."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test may have put another stream in place
            stream.reconfigure(errors="replace")


def explain(error: Exception) -> NoReturn:
    """End the process with a sentence and a hint on stderr, and the exit code of the error.

    Where the command was asked for JSON, both are fields of an object.
    """
    said = failure(error)
    if wants_json(sys.argv[1:]):
        facts = {"error": said.kind, "message": said.message, "hint": said.hint}
        typer.echo(json.dumps(facts, indent=2), err=True)
    else:
        typer.secho(said.message, fg=typer.colors.RED, err=True, color=colour())
        if said.hint:
            typer.echo(said.hint, err=True)
    sys.exit(said.code)


def failure(error: Exception) -> Failure:
    """What to say of an error: of ours what it says, of any other what it is."""
    from infra.errors import ConfigError, PerennialError
    from infra.private import explained

    if isinstance(error, TyperException):
        return _misused(error)
    known = explained(error) if isinstance(error, OSError) else error
    code = WRONG if isinstance(known, ConfigError) else FAILED
    if isinstance(known, PerennialError):
        return Failure(type(known).__name__, str(known.args[0]), known.advice, code)
    hint = "PERENNIAL_DEBUG=1 shows where; `perennial doctor` looks at the machine."
    kind = type(known).__name__
    return Failure(kind, f"Unexpected {kind}: {known}", hint, code)


def wants_json(arguments: list[str]) -> bool:
    """Whether a command line asks for JSON.

    >>> wants_json(["status", "--json"]), wants_json(["status", "--", "--json"])
    (True, False)
    """
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in before


def colour() -> bool | None:
    """False where ``NO_COLOR`` is set; otherwise the stream decides."""
    return False if os.environ.get("NO_COLOR") else None


def _misused(error: TyperException) -> Failure:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "perennial"
    # Of an unknown option more would be said: other options, those that are hidden among them.
    known = error.message if type(error).__name__ == "NoSuchOption" else error.format_message()
    sentence = " ".join(known.split()).rstrip(".") + ("" if known.endswith("?") else ".")
    return Failure("UsageError", sentence, f"`{command} --help` shows how it is called.", WRONG)


def _leave_unread() -> NoReturn:
    """End without the interpreter's own complaint when it flushes what nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(UNREAD)
