"""Trainings that new data and new code start."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from infra import store
from infra.errors import few
from infra.identity import changed_since
from infra.ledger import Kind, Ledger
from infra.runs import start
from infra.settings import PROJECT
from infra.steps import step
from tasks.governance.evidence import read_evidence
from tasks.governance.reviews import reachable_prefect
from tasks.governance.trainings import going_on, started_by
from tasks.governance.triggers import DataTrigger, enough_came
from tasks.references import Candidate, Cause, History


@step(moving=True)
def train_on_new_data(history: History, trigger: DataTrigger) -> str:
    """Id of the training that new data started; empty while too few have come.

    None is started before the first training of all, which is a person's, nor beside one that
    goes on: the next batch is looked at again.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        ConfigError: the model has no deployment of ``train``.
        DataError: the evidence of the last training is gone.
    """
    last = _last(history.model, history.as_of)
    if last is None or not enough_came(history, last, trigger):
        return ""
    if any(started_by(each) != (Cause.DATA, history.as_of) for each in going_on(history.model)):
        return ""
    return start(
        "train",
        history.model,
        because=(Cause.DATA.value, history.digest),
        cause=Cause.DATA,
        as_of=history.as_of,
    )


def train_on_new_code(
    model: str, paths: Sequence[str], now: datetime, folder: Path = PROJECT
) -> str:
    """What was started because a commit changed what the newest candidate was trained by.

    A sentence; empty where nothing was to be started. The same state of the code starts one
    training, whatever became of it.

    Args:
        model: its name.
        paths: the files and folders that count.
        now: the time that the training is for.
        folder: the repository.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        ConfigError: git cannot tell, or the model has no deployment of ``train``.
        DataError: the evidence of the last training is gone.
    """
    last = _last(model)
    if last is None:
        return ""
    changed = changed_since(last.commit, paths, folder)
    if not changed.files or going_on(model):
        return ""
    because = (Cause.CODE.value, changed.newest)
    run = start("train", model, because=because, cause=Cause.CODE, as_of=now)
    with reachable_prefect() as client:
        state = client.read_flow_run(UUID(run)).state
    if state is not None and state.is_final():
        return (
            f"The training of {model} for what changed in {few(changed.files)} ended as "
            f"{state.name}. Start it by hand, or commit a mend."
        )
    return (
        f"A training of {model} was asked for, cause code: since version {last.version} "
        f"{len(changed.files)} files have changed, {few(changed.files)}."
    )


def _last(model: str, as_of: datetime | None = None) -> Candidate | None:
    """The newest candidate that came before the gates."""
    gate = Ledger().last(model, Kind.GATE, as_of)
    if gate is None:
        return None
    place = store.uri("evidence", model, f"{gate.evidence}.json")
    return Candidate.model_validate(read_evidence.fn(place).payload["candidate"])
