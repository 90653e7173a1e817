"""Trainings that new data and new code start."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from infra import store
from infra.errors import few
from infra.identity import Changes, changed_since
from infra.ledger import Kind, Ledger
from infra.runs import find, start
from infra.settings import PROJECT
from infra.steps import step
from tasks.governance.arrivals import Enough, enough_came
from tasks.governance.evidence import read_evidence
from tasks.governance.policy_spec import BudgetSpec
from tasks.governance.reviews import reachable_prefect
from tasks.governance.spending import held_by_budget
from tasks.governance.trainings import deciding, going_on, started_by
from tasks.governance.triggers import DataTrigger
from tasks.references import Candidate, Cause, Champion, FeatureTable, History


@step(moving=True)
def train_on_new_data(
    history: History,
    trigger: DataTrigger,
    table: FeatureTable | None = None,
    budget: BudgetSpec | None = None,
    frozen: str | None = None,
) -> str:
    """What was started because of new data, a sentence; empty where nothing was to be started.

    None is started before the first training of all, which is a person's, nor beside one that
    goes on. Beyond the budget and in a freeze the sentence says what waits, and the next look finds
    what has come.

    Args:
        history: what is known.
        trigger: what is declared.
        table: its features, where labels are to be counted too.
        budget: what the policy declares.
        frozen: why no training may start now, if there is a reason.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        ConfigError: the model has no deployment of ``train``.
        DataError: the evidence of the last training is gone.
    """
    last = _last(history.model, history.as_of)
    enough = enough_came(history, last, trigger, table) if last else None
    if enough is None:
        return ""
    with deciding(history.model):
        return _trained_on(history, enough, budget or BudgetSpec(), frozen)


def _trained_on(history: History, enough: Enough, budget: BudgetSpec, frozen: str | None) -> str:
    model, because = history.model, (Cause.DATA.value, *enough.because)
    if any(started_by(each) != (Cause.DATA, history.as_of) for each in going_on(model)):
        return ""
    with reachable_prefect():
        begun = find("train", model, because)
    if begun is None:
        waits = frozen or held_by_budget(model, budget, history.as_of).rstrip(".")
        if waits:
            return f"A training of {model}, cause data, waits ({waits}): {enough.why}"
    elif frozen:
        return ""
    start("train", model, because=because, cause=Cause.DATA, as_of=history.as_of)
    said = f"A training of {model} was asked for, cause data: {enough.why}"
    return "" if begun else said


def train_on_new_code(
    model: str,
    paths: Sequence[str],
    now: datetime,
    cause: Cause = Cause.CODE,
    folder: Path = PROJECT,
    frozen: str | None = None,
) -> str:
    """What was started because a commit changed what the newest candidate was trained by.

    A sentence, also of what waits for the end of a freeze; empty where nothing was to be started.
    The same state of the code starts one training, whatever became of it.

    Args:
        model: its name.
        paths: the files and folders that count.
        now: the time that the training is for.
        cause: why it is trained.
        folder: the repository.
        frozen: why no training may start now, if there is a reason.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        ConfigError: git cannot tell, or the model has no deployment of ``train``.
        DataError: the evidence of the last training is gone.
    """
    last = _last(model)
    if last is None:
        return ""
    changed = _changed(last, paths, folder)
    if not changed.files:
        return ""
    since, because = f"since version {last.version} {_said(changed)}", (cause.value, changed.newest)
    with reachable_prefect():
        begun = find("train", model, because)
    if frozen and begun is None:  # one that has begun counts in the budget, and goes on in a freeze
        return f"A training of {model}, cause {cause.value}, waits ({frozen}): {since}."
    if going_on(model):
        return ""
    run = start("train", model, because=because, cause=cause, as_of=now)
    return _ended(run, f"The training of {model}", changed) or (
        f"A training of {model} was asked for, cause {cause.value}: {since}."
    )


def repackage_on_new_code(
    champion: Champion,
    known: str,
    paths: Sequence[str],
    folder: Path = PROJECT,
    frozen: str | None = None,
) -> str:
    """What was started because a commit changed what the champion answers with.

    A sentence, also of what waits for the end of a freeze; empty where nothing was to be started.
    The same state of the code builds one Bento.

    Args:
        champion: the version in charge.
        known: the commit that its Bento is up to date with.
        paths: the files and folders that count.
        folder: the repository.
        frozen: why nothing may take its place now, if there is a reason.

    Raises:
        BackendError: Prefect's server does not answer.
        ConfigError: git cannot tell, or the model has no deployment of ``repackage``.
    """
    changed, model = changed_since(known, paths, folder), champion.model
    if not changed.files:
        return ""
    what = _said(changed)
    if frozen:
        return (
            f"A new Bento of {model} waits ({frozen}): since that of version {champion.version} "
            f"{what}."
        )
    because = (champion.version, champion.since, changed.newest)
    reason = f"Since commit {known[:12]} {what}."
    run = start("repackage", model, because=because, reason=reason)
    return _ended(run, f"The new Bento of {model}", changed) or (
        f"A new Bento of {model} was asked for: since that of version {champion.version} {what}."
    )


def _changed(last: Candidate, paths: Sequence[str], folder: Path) -> Changes:
    """What was committed since a candidate: here, and where its model has its own repository."""
    away = [each for each in paths if not (folder / each).is_relative_to(folder)]
    here = [each for each in paths if each not in away]
    found = [changed_since(last.commit, here, folder)] if here else []
    known = last.model_commit or last.commit
    found += [changed_since(known, [each], Path(each)) for each in away]
    files = tuple(file for each in found for file in each.files)
    return Changes(files, " ".join(each.newest for each in found))


def _said(changed: Changes) -> str:
    count = len(changed.files)
    return f"{count} {'file has' if count == 1 else 'files have'} changed, {few(changed.files)}"


def _ended(run: str, what: str, changed: Changes) -> str:
    """What became of a run that is over already, for the same state of the code."""
    with reachable_prefect() as client:
        state = client.read_flow_run(UUID(run)).state
    if state is None or not state.is_final():
        return ""
    return (
        f"{what} for what changed in {few(changed.files)} ended as {state.name}. Start it by hand, "
        "or commit a mend."
    )


def _last(model: str, as_of: datetime | None = None) -> Candidate | None:
    """The newest candidate that came before the gates."""
    gate = Ledger().last(model, Kind.GATE, as_of)
    if gate is None:
        return None
    place = store.uri("evidence", model, f"{gate.evidence}.json")
    return Candidate.model_validate(read_evidence.fn(place).payload["candidate"])
