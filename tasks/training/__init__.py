"""How a candidate is made.

The step is handed on when it is asked for: workers import the knowledge of this folder, and would
wait for Prefect if the folder imported its steps at once.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.training.fitting import fit

__all__ = ["fit"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what a module holds
    """The step of that name."""
    if name in __all__:
        from tasks.training import fitting

        return getattr(fitting, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
