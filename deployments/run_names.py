"""Flow runs by the names that people know them by, as Prefect's server has them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from infra.errors import BackendError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.objects import FlowRun

_PAGE = 200
"""Prefect's server answers with so many runs at most."""


class RunName(BaseModel):
    """A flow run, as a person finds it again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str = Field(description="Empty where Prefect's server does not know it or answer.")
    url: str = Field(description="Its page; empty where no server is known.")


def named(runs: Iterable[UUID]) -> tuple[dict[UUID, RunName], tuple[str, ...]]:
    """Runs by their names and pages.

    Returns:
        The names; where the server does not answer they are empty, and a sentence says so.
    """
    from infra.addresses import addresses

    wanted = sorted(set(runs))
    if not wanted:
        return {}, ()
    try:
        pages, known = addresses(), _names(wanted)
    except (BackendError, ConfigError) as error:
        unknown = {run: RunName(id=str(run), name="", url="") for run in wanted}
        return unknown, (f"The names of the runs are not known: {error.args[0]}",)
    found = {
        run: RunName(id=str(run), name=known.get(run, ""), url=pages.run(run)) for run in wanted
    }
    return found, ()


def find_run(text: str) -> FlowRun:
    """The run that a person means by its name, its id, or the beginning of either.

    Of several runs of a name the newest is meant.

    Raises:
        ConfigError: there is none, or several begin so.
        BackendError: Prefect's server does not answer.
    """
    found = _by_id(text) or _by_name(text)
    if not found:
        raise ConfigError(
            f"No run is called {text!r}, and none has an id that begins so.",
            hint="Name it as its page does; `prefect flow-run ls` lists the newest runs.",
        )
    exact = [each for each in found if text in {each.name, str(each.id)}]
    if exact:
        return exact[0]
    if len(found) > 1:
        few = ", ".join(each.name for each in found[:5])
        raise ConfigError(f"{len(found)} runs begin with {text!r}: {few}.", hint="Name it whole.")
    return found[0]


def _names(runs: list[UUID]) -> dict[UUID, str]:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    from tasks.governance.reviews import reachable_prefect

    known: dict[UUID, str] = {}
    with reachable_prefect() as client:
        for start in range(0, len(runs), _PAGE):
            wanted = FlowRunFilter(id=FlowRunFilterId(any_=runs[start : start + _PAGE]))
            known |= {
                run.id: run.name
                for run in client.read_flow_runs(flow_run_filter=wanted, limit=_PAGE)
            }
    return known


def _by_id(text: str) -> list[FlowRun]:
    """The run of a whole id."""
    try:
        run = UUID(text)
    except ValueError:
        return []
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    return _read(FlowRunFilter(id=FlowRunFilterId(any_=[run])))


def _by_name(text: str) -> list[FlowRun]:
    """Runs whose name begins so; where there is none, those of the newest whose id does."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

    like = [
        run
        for run in _read(FlowRunFilter(name=FlowRunFilterName(like_=text)))
        if run.name.startswith(text)
    ]
    return like or [run for run in _read(None) if str(run.id).startswith(text.lower())]


def _read(wanted: FlowRunFilter | None) -> list[FlowRun]:
    """The newest runs that a filter lets through."""
    from prefect.client.schemas.sorting import FlowRunSort

    from tasks.governance.reviews import reachable_prefect

    with reachable_prefect() as client:
        return client.read_flow_runs(
            flow_run_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=_PAGE
        )
