"""Runs that are late: which still start, by the word of the schedule that made them.

After an outage the runs that waited are all due at once. Whoever declared the schedule says whether
each of them is wanted, only the newest, or none that waited too long; that is decided here, where
runs are taken, so that it holds whatever was down and for however long.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from uuid import UUID

from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled
from pydantic import BaseModel, ConfigDict, ValidationError

from infra.durations import exactly

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

MADE_UP_FOR: Final = "made-up-for:"
"""Begins the tag of a run that was made after an outage; the schedule's name follows."""

_LATE: Final = timedelta(seconds=10)
"""A run that has waited less is not late: polls are ten seconds apart. Source: Prefect 3.8."""

_KEPT_S: Final = 60.0


class LateRule(BaseModel):
    """What a schedule says of its late runs; the job variable ``late`` holds one for each."""

    model_config = ConfigDict(frozen=True)

    keep: Literal["all", "latest"] = "all"
    within_s: float | None = None


class DueRun(NamedTuple):
    """A run that a schedule made, and when it was due."""

    id: UUID
    schedule: tuple[UUID, str]
    due: datetime


def skipped(
    runs: Iterable[DueRun], rules: Mapping[tuple[UUID, str], LateRule], now: datetime
) -> dict[UUID, str]:
    """The runs that are not to start any more, each with the reason.

    Args:
        runs: all that are due.
        rules: of their schedules; one without a rule starts all its runs.
        now: the time.
    """
    runs = list(runs)
    newest: dict[tuple[UUID, str], datetime] = {}
    for run in runs:
        newest[run.schedule] = max(run.due, newest.get(run.schedule, run.due))
    found = {}
    for run in runs:
        rule = rules.get(run.schedule, LateRule())
        if rule.keep == "latest" and run.due < newest[run.schedule]:
            found[run.id] = (
                f"The run of {newest[run.schedule]:%Y-%m-%d %H:%M} UTC is due as well, and the "
                "schedule keeps the latest only."
            )
        elif rule.within_s is not None and now - run.due > timedelta(seconds=rule.within_s):
            found[run.id] = (
                f"It was due {exactly(now - run.due)} ago, and the schedule skips runs that could "
                f"not start within {exactly(timedelta(seconds=rule.within_s))}."
            )
    return found


class Lateness:
    """Skips the late runs that nobody wants; what is punctual costs it no question."""

    def __init__(self, client: "PrefectClient") -> None:
        self._client = client
        self._rules: dict[UUID, tuple[float, dict[str, LateRule]]] = {}

    async def wanted(self, due: "list[FlowRun]", now: datetime) -> "list[FlowRun]":
        """The runs that are to start; the others have the state Skipped, with the reason."""
        late = [each for run in due if (each := _scheduled(run)) and now - each.due > _LATE]
        if not late:
            return due
        rules = {
            (deployment, name): rule
            for deployment in {each.schedule[0] for each in late}
            for name, rule in (await self._of(deployment)).items()
        }
        away = skipped([each for run in due if (each := _scheduled(run))], rules, now)
        for run, why in away.items():
            try:
                await self._client.set_flow_run_state(run, Cancelled(name="Skipped", message=why))
            except ObjectNotFound:  # somebody has deleted it
                continue
        return [run for run in due if run.id not in away]

    async def _of(self, deployment: UUID) -> dict[str, LateRule]:
        """The rules of a deployment's schedules, read once a minute at most."""
        known = self._rules.get(deployment)
        if known is None or time.monotonic() - known[0] >= _KEPT_S:
            try:
                variables = (await self._client.read_deployment(deployment)).job_variables or {}
            except ObjectNotFound:
                variables = {}
            known = self._rules[deployment] = time.monotonic(), _read(variables.get("late"))
        return known[1]


def _scheduled(run: "FlowRun") -> DueRun | None:
    """A run as its schedule knows it, None where no schedule made it."""
    due = run.expected_start_time
    if run.deployment_id is None or due is None:
        return None
    by = run.created_by
    named = by.display_value if by is not None and by.type == "SCHEDULE" else None
    made_up = (tag.removeprefix(MADE_UP_FOR) for tag in run.tags if tag.startswith(MADE_UP_FOR))
    name = named or next(made_up, None)
    if name is None:
        return None
    moment = datetime.fromtimestamp(due.timestamp(), UTC)
    return DueRun(run.id, (run.deployment_id, name), moment)


def _read(rules: object) -> dict[str, LateRule]:
    """The rules of a job variable; one that is none starts all runs, as Prefect does."""
    found = {}
    for name, rule in rules.items() if isinstance(rules, dict) else ():
        try:
            found[str(name)] = LateRule.model_validate(rule)
        except ValidationError:
            continue  # somebody else's variable of the same name
    return found
