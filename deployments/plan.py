"""What should be deployed: pure, from declarations to the deployments that Prefect is to hold."""

import json
import shlex
import sys
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from deployments.timetable import late_rules, predecessors
from infra.resources import RunRequest
from infra.settings import PROJECT, settings
from infra.threads import pools_of
from tasks.calendars.agenda import by_rule
from tasks.governance.triggers import EventTrigger
from tasks.schedules import CalendarSpec, FlowName, ScheduleSpec
from tasks.spec import ModelSpec

TAG: Final = "perennial"
"""The tag by which deployments of ours are found again."""

MODEL: Final = "{model}"
"""What stands for the name of a model in the address of a link."""

FLOWS: Final[tuple[FlowName, ...]] = get_args(FlowName)
"""What every model has."""

Deployed = FlowName | Literal["repackage", "heed"]
"""And what one has whose triggers ask for it."""

ENGINE: Final = shlex.join([sys.executable, "-m", "prefect.engine"])
"""The process of a run. Left to itself, Prefect starts one interpreter to prepare a workspace and
then a second one for the run; ours is a checkout that is there, and needs the second alone."""

_PURPOSE: Final[dict[Deployed, str]] = {
    "ingest": "Brings one window of the feed in, holds it to its contract and commits it.",
    "train": "Makes a candidate from everything known and brings it before the gates.",
    "review": "Waits for a person's decision on stored evidence, and does what it allows.",
    "promote": "Puts a version in charge; an older version is a rollback.",
    "score": "Predicts a window with the champion of the time.",
    "monitor": "Compares what was predicted with what came, and says what is to be done.",
    "repackage": "Builds the champion's Bento anew, with the code of today.",
    "heed": "Looks at the events that have come, and trains for those that a trigger names.",
}


class Desired(BaseModel):
    """One deployment as it should be."""

    model_config = ConfigDict(frozen=True)

    flow: Deployed
    model: str
    description: str
    schedules: tuple[ScheduleSpec, ...] = ()
    calendar: CalendarSpec | None = Field(None, description="None where it touches no schedule.")
    environment: dict[str, str]
    request: RunRequest = RunRequest()
    events: tuple[EventTrigger, ...] = Field((), description="What wakes it.")

    @property
    def name(self) -> str:
        """What people type: ``train/flights``."""
        return f"{self.flow}/{self.model}"

    @property
    def entrypoint(self) -> str:
        """File and function, from the project's folder."""
        return f"flows/{self.flow}.py:{self.flow}"

    @property
    def parameters(self) -> dict[str, JsonValue]:
        """What every run of it is given."""
        return {"model": self.model}

    @property
    def tags(self) -> tuple[str, ...]:
        """Ours, and the model that it belongs to."""
        return (TAG, self.model)

    @property
    def job_variables(self) -> dict[str, JsonValue]:
        """What the worker starts a run with; its environment is added to the worker's own."""
        start = {"command": ENGINE, "env": dict(self.environment), "working_dir": str(PROJECT)}
        late = late_rules(self.schedules)
        rules: dict[str, JsonValue] = {"late": late} if late else {}
        if first := predecessors(self.schedules, self.model):
            rules["after"] = first
        return {**start, **rules, **self.request.model_dump(mode="json", exclude_defaults=True)}

    def digest(self, *also: JsonValue) -> str:
        """Twelve hex digits that change when anything about it does.

        Args:
            also: what else it depends on, such as the schema of the flow's parameters.
        """
        whole = [self.model_dump(mode="json"), self.tags, self.job_variables, self.entrypoint, also]
        return sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]


def plan(
    specs: Iterable[ModelSpec], *, paused: bool = False, links: Mapping[str, str] | None = None
) -> tuple[Desired, ...]:
    """The deployments of some models: six for each, and those that its triggers ask for.

    Args:
        specs: the declarations.
        paused: leave every schedule paused, whatever the declaration says.
        links: what a reader of a deployment's page may want to open, title to address; `MODEL`
            in an address stands for the name of the deployment's model.
    """
    return tuple(
        Desired(
            flow=flow,
            model=spec.name,
            description=_description(flow, spec, links or {}),
            schedules=_schedules(flow, spec, paused=paused),
            calendar=_calendar(flow, spec),
            environment=_environment(flow, spec),
            request=_request(flow, spec),
            events=spec.triggers.events if flow == "heed" else (),
        )
        for spec in specs
        for flow in (*FLOWS, *_asked_for(spec))
    )


def _asked_for(spec: ModelSpec) -> tuple[Deployed, ...]:
    repackages = any(each.then == "repackage" for each in spec.triggers.application)
    wanted: dict[Deployed, bool] = {"repackage": repackages, "heed": bool(spec.triggers.events)}
    return tuple(flow for flow, is_wanted in wanted.items() if is_wanted)


def _schedules(flow: Deployed, spec: ModelSpec, *, paused: bool) -> tuple[ScheduleSpec, ...]:
    """The flow's own schedules, active only where the declaration and the caller say so."""
    return tuple(
        schedule.model_copy(update={"active": schedule.active and not paused})
        for schedule in spec.schedules
        if schedule.flow == flow
    )


def _calendar(flow: Deployed, spec: ModelSpec) -> CalendarSpec | None:
    """The calendar, where a schedule of the flow goes by it: others stay when it is changed."""
    own = [each for each in spec.schedules if each.flow == flow]
    return None if all(by_rule(each, spec.calendar) for each in own) else spec.calendar


def _request(flow: Deployed, spec: ModelSpec) -> RunRequest:
    """What a run asks of its machine: a training what its model declares, all others nothing.

    The others are short or wait for a person: they share the cores that nobody has leased, and
    a training that has leased all of them keeps none of them waiting.
    """
    return RunRequest(**dict(spec.training.resources)) if flow == "train" else RunRequest()


def _environment(flow: Deployed, spec: ModelSpec) -> dict[str, str]:
    """Where the model is declared, and as many threads for a run's own process as it is given.

    A training spends its cores on Dask workers of one thread each; a thread pool beside them
    would fight them for the same cores, and both would be up to ten times slower.
    """
    spread = len(spec.training.candidates) > 1
    threads = spec.training.resources.cpus if flow == "train" and not spread else 1
    return {**pools_of(threads), "PERENNIAL_MODELS": str(settings().models)}


def _description(flow: Deployed, spec: ModelSpec, links: Mapping[str, str]) -> str:
    lines = [
        _PURPOSE[flow],
        "",
        f"**{spec.title}**, owned by {spec.owner}, declared in `{spec.name}/model.yaml`.",
        "",
        f"`prefect deployment run '{flow}/{spec.name}' --watch`",
    ]
    if links:
        own = {title: address.replace(MODEL, spec.name) for title, address in links.items()}
        lines += ["", " · ".join(f"[{title}]({address})" for title, address in own.items())]
    return "\n".join(lines)
