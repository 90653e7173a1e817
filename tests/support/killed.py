"""A step in a process that is killed with SIGKILL at a chosen call, as a machine's crash would.

``python -m tests.support.killed MODULE:STEP MODULE:NAME before|after JSON`` calls the step with
the arguments in the JSON; the process kills itself before or after the first call of the name.
"""

import functools
import importlib
import inspect
import json
import os
import signal
import sys
import threading
from typing import Any, get_type_hints

from pydantic import TypeAdapter
from pydantic_core import to_json

from tests.support.starter import done

_INTO_IT_S = 0.8
_PATIENCE_S = 120


def killed(step: str, at: str, when: str, **arguments: object) -> None:
    """Run a step in a process that is killed at a call; it must not come to its end."""
    given = (step, at, when, to_json(arguments).decode())
    ended = done("tests.support.killed", *given, within_s=_PATIENCE_S)
    assert ended.returncode == -signal.SIGKILL, f"{ended.returncode}: {ended.stderr[-2000:]}"


def _main(step: str, at: str, when: str, arguments: str) -> None:
    call = _found(step).fn
    hints = get_type_hints(inspect.unwrap(call))
    typed = {
        name: TypeAdapter(hints[name]).validate_python(value)
        for name, value in json.loads(arguments).items()
    }
    module, _, path = at.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    setattr(owner, name, deadly(getattr(owner, name), when))
    call(**typed)


def deadly(function: Any, when: str) -> Any:  # noqa: ANN401 - any callable
    """The function, but that the process dies before, during or after its call."""

    @functools.wraps(function)
    def call(*given: object, **named: object) -> None:
        if when == "during":
            threading.Timer(_INTO_IT_S, os.kill, (os.getpid(), signal.SIGKILL)).start()
        if when != "before":
            function(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    return call


def _found(name: str) -> Any:  # noqa: ANN401 - a step
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


if __name__ == "__main__":
    _main(*sys.argv[1:])
