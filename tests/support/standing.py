"""What there is of a model: manifests, versions, Bentos, and who is in charge by each record."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from infra.bentos import bento_folder
from infra.serving import serving
from infra.tracking import alias, tracker, versions
from tasks.registry.crownings import in_charge
from tasks.registry.succession import ALIAS


class Made(BaseModel):
    """How many there are of each thing that must be there once."""

    model_config = ConfigDict(frozen=True)

    manifests: tuple[str, ...]
    versions: tuple[int, ...]
    bentos: int


def made(model: str) -> Made:
    """What was made of a model so far."""
    from tasks.data.manifests import _all

    with tracker() as client:
        numbers = tuple(sorted(versions(client, model)))
    bentos = bento_folder(f"{model}:x").parent
    return Made(
        manifests=tuple(sorted(each.window for each in _all(model))),
        versions=numbers,
        bentos=sum(1 for each in bentos.glob("*") if each.is_dir()),
    )


def champions(model: str) -> tuple[int | None, int | None, int | None]:
    """The version in charge by the ledger, by MLflow's alias and by what serves."""
    with tracker() as client:
        pointed = alias(client, model, ALIAS)
    by_ledger, served = in_charge(model), serving(model)
    return (
        by_ledger.version if by_ledger else None,
        pointed,
        served.version if served else None,
    )


def closed(month: str) -> datetime:
    """When a month's labels are all in: six in the morning after it."""
    from tests.support.deliveries import closing_time

    return closing_time(month).astimezone(UTC)
