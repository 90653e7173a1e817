"""What `perennial up` puts right once the servers run, and what becomes due while they do."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.apply import deployed, orphans, ours
from deployments.changes import follow_code, follow_events
from deployments.overdue import expire
from deployments.renewal import make_up, renew
from deployments.said import unsaid
from deployments.thaws import follow_thaws
from deployments.timetable import Timetable, read_feeds
from infra.errors import ConfigError, PerennialError
from infra.halves import sweep_halves
from infra.private import read_private, write_private
from infra.scratch import sweep
from infra.settings import settings
from infra.turns import turn
from tasks.governance.alerting import Told, remind, sentences, tell_again, tell_outside
from tasks.governance.reviews import pending_reviews, reachable_prefect
from tasks.governance.rules import rules_for
from tasks.governance.taking_up import untold
from tasks.registry import repair
from tasks.registry.crownings import in_charge
from tasks.schedules import called
from tasks.spec import ModelSpec, declared_models, load_spec

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse


def put_right(now: datetime) -> Iterator[str]:
    """Do what is due, a sentence for each thing that was done.

    MLflow's alias and what serves follow the ledger again, reviews past their deadline go on by
    their default, and what killed runs left is removed: in the home's working folders, and half
    written in the store and among the reports. Called again it finds nothing to do.

    Args:
        now: the time that deadlines are held against.

    Raises:
        BackendError: the database, MLflow or Prefect's server does not answer.
    """
    left = sweep()
    if left:
        yield f"Removed what killed runs had left in {left} working folders."
    halves = sweep_halves(*_written())
    if halves:
        yield f"Removed half-written files that killed runs had left: {halves}."
    for model in declared_models():
        if in_charge(model) is not None:
            with turn("crown", model):  # a promotion that runs now is not undone
                yield from repair(model)
    yield from _expired(now)


def tend(now: datetime) -> Iterator[str]:
    """Do what becomes due while everything runs, a sentence for each thing that was done.

    That is `catch_up`; people are reminded of reviews that wait, those past their deadline go on
    by their default, channels that took no message are tried again, and what a monitor that was
    killed did not tell is told.

    Args:
        now: the time.

    Raises:
        BackendError: the database or Prefect's server does not answer.
    """
    yield from catch_up(now)
    yield from _expired(now)
    yield from _told(now)
    yield from unsaid("orphans", orphans())
    yield from unsaid("code", follow_code(declared_models(), now))
    yield from unsaid("events", follow_events(declared_models(), now))
    yield from unsaid("thaws", follow_thaws(declared_models(), now))
    write_private(_noted(), now.isoformat())


def last_upkeep() -> datetime | None:
    """When the upkeep last came to its end; None before it ever did.

    Raises:
        ConfigError: what was noted of it is damaged.
    """
    text = read_private(_noted())
    try:
        return None if text is None else datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ConfigError(
            f"{_noted()} is damaged.", hint="Remove it: the next upkeep writes it again."
        ) from error


def _noted() -> Path:
    return settings().home / "upkeep"


def _told(now: datetime) -> Iterator[str]:
    told: list[Told] = list(tell_again(now))
    declared = set(declared_models())
    for review in pending_reviews():
        if review.model not in declared:
            continue
        try:
            spec = load_spec(review.model)
        except PerennialError as error:
            yield f"Nobody was reminded of {review.title}. {error.args[0]}"
            continue
        asked_under = rules_for(review.model, review.evidence, spec.approval).approval
        told += remind(review, asked_under, spec.alerts, now)
    for model in declared:
        try:
            if (rules := load_spec(model).alerts) and (notice := untold(model, now)):
                told += tell_outside(notice, rules)
        except PerennialError as error:
            yield f"What was concluded of {model} was told to nobody. {error.args[0]}"
    yield from sentences(told)


def _expired(now: datetime) -> Iterator[str]:
    yield from unsaid("overdue", [each.said for each in expire(now)])


def catch_up(now: datetime) -> Iterator[str]:
    """Bring the schedules in Prefect up to date, a sentence for each thing that was done.

    Lists of times follow their calendars, and runs that an outage has swallowed are made up for,
    as declared. A declaration that is wrong, or a calendar that does not answer, keeps what is
    there and holds nothing up. Called again it finds nothing to do.

    Args:
        now: until when runs are made up for.

    Raises:
        BackendError: Prefect's server does not answer.
    """
    with reachable_prefect() as client:
        there = list(ours(client))
        for model in sorted({each.name for each in there} & set(declared_models())):
            try:
                spec = load_spec(model)
                times = Timetable(now, read_feeds(spec, now))
            except PerennialError as error:
                yield f"The schedules of {model} stay as they are. {error.args[0]}"
                continue
            for each in there:
                if each.name == model:
                    yield from _caught_up(client, each, spec, times)


def _caught_up(
    client: "SyncPrefectClient", there: "DeploymentResponse", spec: ModelSpec, times: Timetable
) -> Iterator[str]:
    name = deployed(there)
    schedules = [each for each in spec.schedules if f"{each.flow}/{spec.name}" == name]
    if not schedules:
        return
    try:
        made = make_up(client, there, called(schedules), times.now)
        if made:
            yield f"Made {made} runs of {name} that were due while the servers were down."
        told = times.told(schedules, spec.calendar)
    except ConfigError as error:
        yield f"The schedules of {name} stay as they are. {error.args[0]}"
        return
    for renewed in renew(client, there, told, times.now):
        yield f"The times of {renewed} of {name} follow their calendar again."


def _written() -> list[Path]:
    """The local folders in which files appear whole; a bucket shows no halves."""
    store = settings().store_uri
    return [settings().home / "reports", *([] if "://" in store else [Path(store)])]
