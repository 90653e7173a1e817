"""What verdicts and new data have asked for, and a freeze or a kill has left undone."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from infra.errors import PerennialError
from infra.ledger import Kind, Ledger
from infra.runs import find
from tasks.data import read_history
from tasks.governance.starting import train_on_new_data
from tasks.governance.taking_up import take_up
from tasks.governance.trainings import going_on
from tasks.references import Cause
from tasks.spec import ModelSpec, load_spec


def follow_thaws(models: Iterable[str], now: datetime) -> Iterator[str]:
    """Start what verdicts and new data asked for and nobody started, a sentence for each.

    A training waits for the end of a freeze; whatever a monitor has concluded and was killed
    before it began is taken up at once. What waited for commits and events is found by those who
    look for them. Called again it finds nothing to do.

    Args:
        models: their names.
        now: the time, by which days are frozen.

    Raises:
        BackendError: the database or Prefect's server does not answer.
    """
    for model in models:
        try:
            spec = load_spec(model)
            frozen = spec.frozen("train", now) is not None
            said = (take_up(model, frozen=frozen), "" if frozen else _trained_on_data(spec))
            yield from filter(None, said)
        except PerennialError as error:
            yield f"What {model} has left undone was not looked at. {error.args[0]}"


def _trained_on_data(spec: ModelSpec) -> str:
    """By what the last ingest knew, as it would have done itself: the same is started once."""
    trigger, ingest = spec.triggers.data, Ledger().last(spec.name, Kind.INGEST)
    if trigger is None or ingest is None or going_on(spec.name):
        return ""
    history = read_history.fn(spec.name, ingest.as_of)
    if find("train", spec.name, (Cause.DATA.value, history.digest)) is not None:
        return ""
    run = train_on_new_data.fn(history, trigger, spec.policy.budget)
    return f"A training of {spec.name} was asked for, cause data." if run else ""
