"""What `perennial up` puts right once the servers run: what moved on while they did not."""

from collections.abc import Iterator
from datetime import datetime

from infra.scratch import sweep
from infra.turns import turn
from tasks.governance.reviews import expire
from tasks.registry import repair
from tasks.registry.crownings import in_charge
from tasks.spec import declared_models


def put_right(now: datetime) -> Iterator[str]:
    """Do what is due, a sentence for each thing that was done.

    MLflow's alias and what serves follow the ledger again, reviews past their deadline go on by
    their default, and what killed runs left in the home's working folders is removed. Called again
    it finds nothing to do.

    Args:
        now: the time that deadlines are held against.

    Raises:
        BackendError: the database, MLflow or Prefect's server does not answer.
    """
    left = sweep()
    if left:
        yield f"Removed what killed runs had left in {left} working folders."
    for model in declared_models():
        if in_charge(model) is not None:
            with turn("crown", model):  # a promotion that runs now is not undone
                yield from repair(model)
    for review in expire(now):
        yield (
            f"{review.title}: nobody decided by {review.deadline:%Y-%m-%d %H:%M}; the default is "
            f"{review.default}."
        )
