"""What `perennial up` puts right once the servers run: what moved on while they did not."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from infra.halves import sweep_halves
from infra.scratch import sweep
from infra.settings import settings
from infra.turns import turn
from tasks.governance.reviews import expire
from tasks.registry import repair
from tasks.registry.crownings import in_charge
from tasks.spec import declared_models


def put_right(now: datetime) -> Iterator[str]:
    """Do what is due, a sentence for each thing that was done.

    MLflow's alias and what serves follow the ledger again, reviews past their deadline go on by
    their default, and what killed runs left is removed: in the home's working folders, and half
    written in the store and among the reports. Called again it finds nothing to do.

    Args:
        now: the time that deadlines are held against.

    Raises:
        BackendError: the database, MLflow or Prefect's server does not answer.
    """
    left = sweep()
    if left:
        yield f"Removed what killed runs had left in {left} working folders."
    halves = sweep_halves(*_written())
    if halves:
        yield f"Removed half-written files that killed runs had left: {halves}."
    for model in declared_models():
        if in_charge(model) is not None:
            with turn("crown", model):  # a promotion that runs now is not undone
                yield from repair(model)
    for review in expire(now):
        yield (
            f"{review.title}: nobody decided by {review.deadline:%Y-%m-%d %H:%M}; the default is "
            f"{review.default}."
        )


def _written() -> list[Path]:
    """The local folders in which files appear whole; a bucket shows no halves."""
    store = settings().store_uri
    return [settings().home / "reports", *([] if "://" in store else [Path(store)])]
