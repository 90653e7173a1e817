"""What commits and events start: what is declared, held against what was done about it last."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from infra.errors import ConfigError, PerennialError, few
from infra.identity import commit
from infra.settings import PROJECT
from tasks.governance.heeding import heed_events
from tasks.governance.spending import held_by_budget
from tasks.governance.starting import repackage_on_new_code, train_on_new_code
from tasks.governance.trainings import deciding
from tasks.governance.triggers import ApplicationTrigger
from tasks.references import Cause
from tasks.registry.crownings import in_charge
from tasks.registry.repackaging import packaged_at
from tasks.spec import ModelSpec, load_spec


def follow_code(models: Iterable[str], now: datetime) -> Iterator[str]:
    """Start what changed code asks for, a sentence for each thing that was started or held back.

    A declaration that is wrong, or a repository that cannot tell, holds no other model up.

    Args:
        models: their names.
        now: the time that a training is for.

    Raises:
        BackendError: the database or Prefect's server does not answer.
    """
    for model in models:
        try:
            spec = load_spec(model)
            with deciding(model):
                said = [_trained_by_code(spec, now), _trained_for_it(spec, now)]
            yield from filter(None, (*said, _packaged(spec, now)))
        except PerennialError as error:
            yield f"Whether the code of {model} has changed was not looked at. {error.args[0]}"


def follow_events(models: Iterable[str], now: datetime) -> Iterator[str]:
    """Start what events ask for that nobody has heeded, a sentence for each.

    Prefect's automations wake `heed` when an event comes; what they have missed is found here.

    Args:
        models: their names.
        now: the time, by which days are frozen.

    Raises:
        BackendError: the database or Prefect's server does not answer.
    """
    for model in models:
        try:
            spec = load_spec(model)
            if spec.triggers.events:
                why = spec.frozen("train", now)
                budget = spec.policy.budget
                yield from heed_events.fn(model, spec.triggers.events, why, budget=budget)
        except PerennialError as error:
            yield f"The events for {model} were not looked at. {error.args[0]}"


def watched(spec: ModelSpec) -> tuple[str, ...]:
    """The files and folders whose change starts a training by the trigger ``code``."""
    declared = spec.triggers.code.paths if spec.triggers.code else ()
    suites = PROJECT / "expectations" / spec.name
    own = [str(spec.folder), *([str(suites)] if suites.exists() else [])]
    return declared or tuple(own)


def require_paths(spec: ModelSpec) -> None:
    """Nothing, where all paths that triggers name are there: a typo would never start anything.

    Raises:
        ConfigError: some are not, or no git could tell that the model's own folder has changed.
    """
    code = spec.triggers.code.paths if spec.triggers.code else ()
    named = (*code, *(path for each in spec.triggers.application for path in each.paths))
    gone = [path for path in named if not (PROJECT / path).exists()]
    if gone:
        raise ConfigError(
            f"The triggers of {spec.name} name {few(gone)}, which is not there.",
            hint=f"Paths count from the repository's root, {PROJECT}.",
        )
    own = spec.triggers.code is not None and not code
    away = own and not spec.folder.is_relative_to(PROJECT)
    if away and commit(spec.folder) == "none":
        raise ConfigError(
            f"The trigger code of {spec.name} would never start anything: {spec.folder} is in no "
            "git repository, or in one without a commit.",
            hint="Commit the folder, or name paths of this repository in triggers.code.paths.",
        )


def _trained_by_code(spec: ModelSpec, now: datetime) -> str:
    if spec.triggers.code is None:
        return ""
    return train_on_new_code(spec.name, watched(spec), now, frozen=_waits(spec, now))


def _trained_for_it(spec: ModelSpec, now: datetime) -> str:
    paths = _paths(spec.triggers.application, "retrain")
    if not paths:
        return ""
    waits = _waits(spec, now)
    return train_on_new_code(spec.name, paths, now, Cause.APPLICATION, frozen=waits)


def _waits(spec: ModelSpec, now: datetime) -> str:
    """Why no training may start by itself now; empty where one may."""
    spent = held_by_budget(spec.name, spec.policy.budget, now).rstrip(".")
    return spec.frozen("train", now) or spent


def _packaged(spec: ModelSpec, now: datetime) -> str:
    paths = _paths(spec.triggers.application, "repackage")
    champion = in_charge(spec.name) if paths else None
    if champion is None:
        return ""
    frozen = spec.frozen("promote", now)
    return repackage_on_new_code(champion, packaged_at(champion), paths, frozen=frozen)


def _paths(triggers: Iterable[ApplicationTrigger], then: str) -> tuple[str, ...]:
    return tuple(path for each in triggers if each.then == then for path in each.paths)
