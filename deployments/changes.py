"""Trainings that a commit starts: what is declared, held against what was trained last."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from infra.errors import PerennialError
from infra.settings import PROJECT
from tasks.governance.starting import train_on_new_code
from tasks.spec import ModelSpec, load_spec


def follow_code(models: Iterable[str], now: datetime) -> Iterator[str]:
    """Start the trainings that changed code asks for, a sentence for each.

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
            if spec.triggers.code:
                said = train_on_new_code(model, watched(spec), now)
                if said:
                    yield said
        except PerennialError as error:
            yield f"Whether the code of {model} has changed was not looked at. {error.args[0]}"


def watched(spec: ModelSpec) -> tuple[str, ...]:
    """The files and folders whose change starts a training."""
    declared = spec.triggers.code.paths if spec.triggers.code else ()
    suites = PROJECT / "expectations" / spec.name
    own = [str(spec.folder), *([str(suites)] if suites.exists() else [])]
    return declared or tuple(own)
