"""One line for each model: how it is, what its metric did lately, what comes next."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from deployments.ahead import ahead
from deployments.apply import deployed, tagged
from deployments.metrics.prefect_runs import RunWatch
from deployments.pages.course import told, value_of
from deployments.pages.frame import scale
from deployments.pages.gathering import Facts, OfPrefect, gather
from deployments.pages.headline import Headline, headline
from deployments.pages.wording import Tile, newest_judged, tiles, wants_of
from deployments.plan import FLOWS, TAG
from deployments.standing import LastRun
from deployments.takers import LateRuns, idle_pools
from infra.errors import PerennialError
from tasks.governance.reviews import pending_reviews, reachable_prefect
from tasks.schedules import FlowName
from tasks.spec import ModelSpec, declared_models, load_spec

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

_LATELY: Final = 24
_WINDOWS: Final = 6
"""Looked at, four verdicts for each: enough for the line that is drawn."""

_WIDTH, _HEIGHT = 180.0, 40.0


@dataclass(frozen=True)
class Brief:
    """One line of the list of models.

    Attributes:
        name: of the model.
        title: what it answers; empty where its declaration cannot be read.
        headline: how it is.
        charge: who is in charge, and since when.
        next: what runs next.
        metric: its newest value, in words.
        spark: the metric of the last windows, as points of a line.
    """

    name: str
    title: str
    headline: Headline
    charge: Tile | None = None
    next: Tile | None = None
    metric: str = ""
    spark: str = ""


def briefs(now: datetime) -> Iterator[Brief]:
    """A line for each declared model; one that cannot be read is a line that says why.

    Raises:
        ConfigError: the stack was never started.
    """
    ask = _asked_once()
    for name in declared_models():
        try:
            yield _brief(gather(load_spec(name), now, _WINDOWS, ask))
        except PerennialError as error:
            yield Brief(name, "", Headline("bad", "It cannot be told", str(error)))


def _asked_once() -> Callable[[ModelSpec, datetime], OfPrefect]:
    """What Prefect's server says of each model, asked about all of them at once."""
    try:
        runs = RunWatch().look()
        waiting = pending_reviews()
        with reachable_prefect() as client:
            there = {deployed(each): each for each in tagged(client)}
            trains = dict(_trainings(client))
            idle = idle_pools(client, there.values())
    except PerennialError as error:
        return _without(error)

    def ask(spec: ModelSpec, now: datetime) -> OfPrefect:
        own = [each for each in there.values() if spec.name in each.tags]
        ended = {flow: runs.ended.get((spec.name, flow)) for flow in FLOWS}
        return OfPrefect(
            waiting=tuple(each for each in waiting if each.model == spec.name),
            last={flow: _last(end) for flow, end in ended.items()} | trains.get(spec.name, {}),
            coming=ahead(spec, there, now),
            late={
                flow: LateRuns(runs.late[model, flow], due)
                for (model, flow), due in runs.due.items()
                if model == spec.name
            },
            idle=tuple(
                said
                for pool, said in idle.items()
                if any(each.work_pool_name == pool for each in own)
            ),
        )

    return ask


def _without(error: PerennialError) -> Callable[[ModelSpec, datetime], OfPrefect]:
    def ask(_spec: ModelSpec, _now: datetime) -> OfPrefect:
        raise error

    return ask


def _trainings(client: "SyncPrefectClient") -> Iterator[tuple[str, dict[FlowName, LastRun | None]]]:
    """The training that goes on, by model: what became of a verdict is not told without it."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType

    goes_on = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    runs = client.read_flow_runs(
        flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=["train"])),
        flow_run_filter=filters.FlowRunFilter(
            tags=filters.FlowRunFilterTags(all_=[TAG]),
            state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=goes_on)),
        ),
    )
    for run in runs:
        if run.state is not None:
            said = LastRun(
                state=run.state.name or "Running", at=run.state.timestamp, run_url="", going_on=True
            )
            yield str(run.parameters.get("model")), {"train": said}


def _last(end: tuple[datetime, bool] | None) -> LastRun | None:
    """How the last run ended; the model's own page leads to it."""
    if end is None:
        return None
    at, failed = end
    return LastRun(state="Failed" if failed else "Completed", at=at, run_url="", failed=failed)


def _brief(facts: Facts) -> Brief:
    newest, shown = newest_judged(facts), tiles(facts)
    value = None if newest is None else value_of(newest, facts.metric)
    return Brief(
        name=facts.spec.name,
        title=facts.spec.title,
        headline=headline(facts, wants_of(facts)),
        charge=shown[0],
        next=shown[-1],
        metric="" if value is None or newest is None else f"{facts.metric} {told(value)}",
        spark=_spark(facts),
    )


def _spark(facts: Facts) -> str:
    judged = sorted(facts.story.judged, key=lambda each: each.as_of)[-_LATELY:]
    values = [value for each in judged if (value := value_of(each, facts.metric)) is not None]
    if len(values) < 2:  # noqa: PLR2004 - one point is no line
        return ""
    drawn, step = scale(values, 4, _HEIGHT - 4), (_WIDTH - 8) / (len(values) - 1)
    points = ((4 + place * step, drawn.y(value)) for place, value in enumerate(values))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
