"""Trainings that a freeze has held back, started once it is over."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from infra.errors import PerennialError
from infra.ledger import Kind, Ledger
from infra.runs import find
from tasks.data import read_history
from tasks.governance.starting import train_on_held_verdict, train_on_new_data
from tasks.governance.trainings import going_on
from tasks.references import Cause
from tasks.spec import ModelSpec, load_spec


def follow_thaws(models: Iterable[str], now: datetime) -> Iterator[str]:
    """Start what verdicts and new data asked for on frozen days, a sentence for each.

    What waited for commits and events is found by those who look for them. Called again it finds
    nothing to do.

    Args:
        models: their names.
        now: the time, by which days are frozen.

    Raises:
        BackendError: the database or Prefect's server does not answer.
    """
    for model in models:
        try:
            spec = load_spec(model)
            if not spec.frozen("train", now):
                yield from filter(None, (train_on_held_verdict(model), _trained_on_data(spec)))
        except PerennialError as error:
            yield f"What a freeze of {model} has held back was not looked at. {error.args[0]}"


def _trained_on_data(spec: ModelSpec) -> str:
    """By what the last ingest knew, as it would have done itself: the same is started once."""
    trigger, ingest = spec.triggers.data, Ledger().last(spec.name, Kind.INGEST)
    if trigger is None or ingest is None or going_on(spec.name):
        return ""
    history = read_history.fn(spec.name, ingest.as_of)
    if find("train", spec.name, (Cause.DATA.value, history.digest)) is not None:
        return ""
    run = train_on_new_data.fn(history, trigger)
    return f"A training of {spec.name} was asked for, cause data." if run else ""
