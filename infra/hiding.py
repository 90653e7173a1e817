"""Imports that a library tries where it can: left out where they would only cost time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hidden(*modules: str) -> Iterator[None]:
    """Modules of these names are not there in the block, unless they were imported before.

    A name that is None cannot be imported: a library that would use it does without.
    """
    names = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type] # None is what hides a name
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
