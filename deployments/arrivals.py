"""Trainings on what has come without an ingest that looked: held batches, frozen days, labels."""

from datetime import datetime

from infra.ledger import Kind, Ledger
from tasks.data import read_history
from tasks.features import build_features
from tasks.governance import train_on_new_data
from tasks.governance.trainings import going_on
from tasks.spec import ModelSpec


def train_on_what_came(spec: ModelSpec, now: datetime) -> str:
    """What new data have started, or what waits and why; empty where nothing was to be started.

    Windows and rows count by what the last ingest knew, as it would have counted them itself, and
    the last training. Labels become known without any ingest, so they count by the time.

    Args:
        spec: the model's declaration.
        now: the time.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        ConfigError: the features cannot be built, or the model has no deployment of ``train``.
        DataError: the evidence of the last training is gone, or the rows cannot be used.
    """
    trigger, ingest = spec.triggers.data, Ledger().last(spec.name, Kind.INGEST)
    gate = Ledger().last(spec.name, Kind.GATE)
    if trigger is None or ingest is None or gate is None or going_on(spec.name):
        return ""
    came = read_history.fn(spec.name, max(ingest.as_of, gate.as_of))
    budget, frozen = spec.policy.budget, spec.frozen("train", now)
    said = train_on_new_data.fn(came, trigger, budget=budget, frozen=frozen)
    if said or trigger.labels is None or going_on(spec.name):
        return said
    known = read_history.fn(spec.name, now)
    table = build_features.fn(known, spec.features, spec.data)
    return train_on_new_data.fn(known, trigger, table, budget, frozen)
