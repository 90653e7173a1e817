"""Make Prefect hold what is declared: create, update, leave alone, remove."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict

from deployments.automations import still, wake
from deployments.changes import require_paths
from deployments.plan import MODEL, TAG, Deployed, Desired, plan
from deployments.renewal import renew
from deployments.timetable import Timetable, read_feeds
from infra.addresses import addresses
from infra.errors import ConfigError, DataError, few
from infra.plugins import resolve
from infra.pools import POOL, ensure_pool
from infra.settings import PROJECT, settings
from infra.signers import sharing_a_key, signers_in, without_key
from tasks.calendars.rules import words
from tasks.governance.reviews import reachable_prefect
from tasks.governance.rules import standing_signers
from tasks.spec import ModelSpec, declared_models, load_spec

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

    from tasks.data.spec import TableSpec
    from tasks.schedules import ScheduleSpec

_ENTER: Final = "prefect.deployments.steps.set_working_directory"
"""The pull step of a checkout that is already there."""

_PAGE: Final = 200
"""Deployments the server hands out at once, at most. Source: Prefect 3.8."""


class Change(StrEnum):
    """What became of a deployment."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REMOVED = "removed"


class Applied(BaseModel):
    """One deployment after it was applied."""

    model_config = ConfigDict(frozen=True)

    name: str
    change: Change
    schedules: tuple[str, ...] = ()
    active: bool = False
    url: str = ""


def deploy(model: str | None = None, *, paused: bool = False) -> tuple[Applied, ...]:
    """What became of each deployment, once Prefect holds what is declared.

    A deployment that is as declared is left alone, so that its scheduled runs stay. Those that
    this folder of models no longer declares are removed; of one model only its own, also where its
    folder is gone.

    Args:
        model: one model; all that are declared if left out.
        paused: leave every schedule paused, whatever the declarations say.

    Raises:
        ConfigError: a declaration is wrong, or what it names does not import.
        BackendError: Prefect's server does not answer.
    """
    removed = _remove_left(model) if model and model not in declared_models() else ()
    if removed:
        return removed
    specs = [load_spec(name) for name in ([model] if model else declared_models())]
    for spec in specs:
        check(spec)
    now = datetime.now(UTC)
    times = {spec.name: Timetable(now, read_feeds(spec, now)) for spec in specs}
    for spec in specs:
        times[spec.name].check(spec)
    found = addresses()
    links = {
        "How the model stands": f"{found.pages}/models/{MODEL}",
        "Prefect": found.prefect_ui,
        "MLflow": found.mlflow,
        "Reports": found.pages,
    }
    desired = plan(specs, paused=paused, links=links)
    with reachable_prefect() as client:
        ensure_pool(client)
        there = {deployed(each): each for each in ours(client)}
        applied = [
            _apply(client, each, there.get(each.name), times[each.model]) for each in desired
        ]
        gone = sorted(there.keys() - {each.name for each in desired})
        concerned = [name for name in gone if model in {None, there[name].name}]
        applied += [_remove(client, name, there[name]) for name in concerned]
    return tuple(applied)


def orphans() -> Iterator[str]:
    """A sentence for each model that Prefect holds deployments of and that nobody declares here.

    Raises:
        BackendError: Prefect's server does not answer.
    """
    with reachable_prefect() as client:
        there = {each.name for each in ours(client)}
    for name in sorted(there - set(declared_models())):
        yield (
            f"{name} is deployed and declared no more: its schedules and automations start runs "
            f"that fail. `perennial deploy {name}` removes them."
        )


def _remove_left(model: str) -> tuple[Applied, ...]:
    """What is removed of a model that is declared no more."""
    with reachable_prefect() as client:
        left = {deployed(each): each for each in ours(client) if each.name == model}
        return tuple(_remove(client, name, left[name]) for name in sorted(left))


def check(spec: ModelSpec) -> None:
    """Nothing, when everything that a declaration names is there and imports.

    Raises:
        ConfigError: an import string or a trigger's path leads nowhere, a suite or a roster's file
            is missing or is none, a reviewer has no key where decisions are signed.
    """
    from tasks.data.sources import suite_of, unused_suites

    require_paths(spec)
    _require_signers(spec)
    _require_rosters(spec)
    strings = (spec.features.builder, spec.training.trainer)
    optional = (spec.data.observe, spec.evaluation.baseline)
    for import_string in (*strings, *filter(None, optional)):
        resolve(spec.folder, import_string)
    for table, declared in spec.data.tables.items():
        path = suite_of(spec.name, table, declared)
        if path is not None:
            _check_suite(path, declared, observed=spec.data.observe is not None)
    unused = unused_suites(spec.name, spec.data)
    if unused:
        raise ConfigError(
            f"{few([str(path) for path in unused])} is the suite of no table of {spec.name}.",
            hint=f"Its tables are {few(list(spec.data.tables))}: rename the file, or name it as "
            "the suite of one.",
        )


def _require_rosters(spec: ModelSpec) -> None:
    from tasks.monitoring.rosters import filed_names

    for roster in spec.monitoring.rosters:
        try:
            filed_names(roster, spec.folder)
        except DataError as error:
            raise ConfigError(
                f"monitoring.rosters of {spec.name} names {roster.file}: {error.args[0]}",
                hint="Put the file into the model's folder, or give the roster `names`.",
            ) from error


def _require_signers(spec: ModelSpec) -> None:
    approval = spec.approval
    if not approval.signers:
        return
    signers = signers_in(standing_signers(spec.folder, approval))
    unknown = without_key(approval.reviewers, signers)
    if approval.signed and unknown:
        raise ConfigError(
            f"{few(unknown)} may decide about {spec.name}, but has no key in {approval.signers}.",
            hint="Add a line with the name and the public key, or take the name off reviewers.",
        )
    shared = sharing_a_key(approval.reviewers, signers)
    if shared:
        raise ConfigError(
            f"{few(shared)} sign for {spec.name} with one key: nobody knows which of them did.",
            hint=f"Give each a key of his own in {approval.signers}.",
        )
    if approval.approvals > 1 and any(e.has_patterns and not e.is_authority for e in signers):
        raise ConfigError(
            f"{approval.signers} of {spec.name} has a key that signs under any name of a pattern, "
            f"where it takes {approval.approvals} people.",
            hint="Spell the names out: a key is one person's.",
        )


def _check_suite(path: Path, table: TableSpec, *, observed: bool) -> None:
    from tasks.data.suites import read_suite

    # What the model's own code observes is known once it has seen data; its mark is the underscore.
    marked = r'"column(?:_[AB])?":\s*"(_\w+)"' if observed else r"(?!)"
    named = re.findall(marked, path.read_text(encoding="utf-8")) if path.is_file() else ()
    read_suite(path, {**dict.fromkeys(named), **table.columns})


def ours(client: SyncPrefectClient) -> Iterator[DeploymentResponse]:
    """The deployments on the server that were made from this folder of models."""
    for each in tagged(client):
        environment = (each.job_variables or {}).get("env", {})
        if environment.get("PERENNIAL_MODELS") == str(settings().models):
            yield each


def tagged(client: SyncPrefectClient, *tags: str) -> Iterator[DeploymentResponse]:
    """The deployments on the server that Perennial made, from whatever folder of models.

    Args:
        client: of the server.
        tags: which they have besides: the name of a model.
    """
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

    wanted = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG, *tags]))
    offset = 0
    while page := client.read_deployments(deployment_filter=wanted, limit=_PAGE, offset=offset):
        yield from page
        offset += len(page)


def deployed(there: DeploymentResponse) -> str:
    """What people type for a deployment that is there: ``train/flights``."""
    return f"{(there.entrypoint or '').rpartition(':')[2]}/{there.name}"


def _apply(
    client: SyncPrefectClient, desired: Desired, there: DeploymentResponse | None, times: Timetable
) -> Applied:
    schema = _schema(desired.flow)
    version = desired.digest(schema, str(PROJECT))
    told = times.told(desired.schedules, desired.calendar)
    if there is not None and there.version == version:
        renewed = renew(client, there, told, times.now)
        changed = _woken(client, desired, there.id) or renewed
        return _report(desired, Change.UPDATED if changed else Change.UNCHANGED, there.id)
    made = client.create_deployment(
        flow_id=client.create_flow_from_name(desired.flow),
        name=desired.model,
        version=version,
        description=desired.description,
        entrypoint=desired.entrypoint,
        path=str(PROJECT),
        pull_steps=[{_ENTER: {"directory": str(PROJECT)}}],
        parameters=desired.parameters,
        parameter_openapi_schema=schema,
        enforce_parameter_schema=True,
        work_pool_name=POOL,
        job_variables=desired.job_variables,
        schedules=told,
        tags=list(desired.tags),
        paused=False,
    )
    _woken(client, desired, made)
    return _report(desired, Change.CREATED if there is None else Change.UPDATED, made)


def _woken(client: SyncPrefectClient, desired: Desired, deployment: UUID) -> bool:
    return bool(desired.events) and wake(client, deployment, desired.name, desired.events)


def _remove(client: SyncPrefectClient, name: str, there: DeploymentResponse) -> Applied:
    still(client, there.id)
    client.delete_deployment(there.id)
    return Applied(name=name, change=Change.REMOVED)


def _report(desired: Desired, change: Change, deployment: object) -> Applied:
    return Applied(
        name=desired.name,
        change=change,
        schedules=tuple(_words(each) for each in desired.schedules),
        active=any(each.active for each in desired.schedules),
        url=f"{addresses().prefect_ui}/deployments/deployment/{deployment}",
    )


def _schema(flow: Deployed) -> dict[str, Any]:
    """The JSON schema of a flow's parameters, which Prefect's form and API check against."""
    from prefect.utilities.callables import parameter_schema

    entry = getattr(import_module(f"flows.{flow}"), flow)
    return parameter_schema(entry.fn).model_dump_for_openapi()


def _words(schedule: ScheduleSpec) -> str:
    return f"{words(schedule)}{'' if schedule.active else ' (paused)'}"
