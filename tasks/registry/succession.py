"""Who is champion: the ledger says it, MLflow's alias and what serves repeat it."""

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from infra import store
from infra.bentos import bento_record
from infra.entries import Entry, Kind, Recorded
from infra.errors import ConfigError, IntegrityError
from infra.ledger import Ledger
from infra.serving import Serving, pointer, serve, serving, withdraw
from infra.steps import step
from infra.tracking import alias, point_alias, tracker, versions
from infra.turns import turn
from tasks.references import Bento, Candidate, Champion
from tasks.registry.crownings import CROWNINGS, before_it, champion_of, in_charge, line_of
from tasks.registry.registration import record_of
from tasks.windows import first_day

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIAS = "champion"
"""Name of the alias in MLflow."""

_AHEAD = timedelta(days=2)


@step(moving=True)
def champion(model: str, as_of: datetime | None = None) -> Champion | None:
    """The version in charge, or None before there is one.

    Args:
        model: its name.
        as_of: the time that is asked about, by what was decided before it; the newest decision
            counts if None.
    """
    return in_charge(model, as_of)


@step(moving=True)
def require_champion(model: str, as_of: datetime | None = None) -> Champion:
    """The version in charge.

    Raises:
        ConfigError: no version was in charge at the time.
    """
    found = in_charge(model, as_of)
    if found is None:
        when = "" if as_of is None else f" as of {as_of:%Y-%m-%d %H:%M %Z}"
        raise ConfigError(
            f"{model} has no champion{when}.",
            hint=f"Run `train/{model}` and promote a version first.",
        )
    return found


@step(moving=True)
def predecessors(champion: Champion, window: str) -> tuple[Champion, ...]:
    """Those in charge before a champion while a window went on, oldest first.

    Rows are predicted up to a day before they happen, wherever on Earth the window's days are.
    """
    day = max(first_day(window), date.min + _AHEAD)  # all that there is begins with time itself
    return before_it(champion, datetime.combine(day - _AHEAD, time(), UTC))


@step(moving=True)
def fallback(champion: Champion) -> int | None:
    """The version that a rollback of a champion would put in charge, if there is one.

    Raises:
        BackendError: the database is gone.
    """
    ever = datetime.min.replace(tzinfo=UTC)
    line = line_of([*(each.version for each in before_it(champion, ever)), champion.version])
    return line[-2] if len(line) > 1 else None


@step(moving=True)
def find_version(model: str, version: int) -> tuple[Candidate, Bento]:
    """The candidate that was registered under a version's number, and its tested Bento.

    Raises:
        ConfigError: there is no such version, or it was not finished: registered, packaged and
            smoke-tested.
        IntegrityError: MLflow holds another version's record under the number.
    """
    with tracker() as client:
        held = versions(client, model)
        found = held.get(version)
        candidate = None if found is None else record_of(client, found.run_id)
    if candidate is None:
        raise ConfigError(
            f"{model} has no version {version}.",
            hint=f"Registered are: {', '.join(map(str, sorted(held))) or 'none yet'}.",
        )
    if candidate.version != version:
        raise IntegrityError(
            f"MLflow's version {version} of {model} holds the record of version "
            f"{candidate.version}."
        )
    return candidate, _bento_of(candidate)


@step(moving=True)
def crown(
    candidate: Candidate, bento: Bento, as_of: datetime, reason: str, actor: str, evidence: str
) -> Champion:
    """The candidate as champion: in the ledger first, then in MLflow, then in what serves.

    Killed at any point and run again with the same version, evidence and time, it makes no second
    entry and brings the rest in line.

    Raises:
        ConfigError: the Bento is another version's, was never smoke-tested, or is gone.
        BackendError: the database or MLflow failed.
    """
    require_servable(candidate, bento)
    with turn("crown", candidate.model):
        entry = _decided(candidate, bento, as_of, (reason, actor, evidence))
        repair(candidate.model)
    return champion_of(entry)


def repair(model: str) -> tuple[str, ...]:
    """Bring MLflow and what serves in line with the ledger.

    Returns:
        A sentence for each thing that differed; nothing where all agreed.
    """
    wanted = in_charge(model)
    return _repair_alias(model, wanted) + _repair_serving(model, wanted)


def differences(model: str) -> tuple[str, ...]:
    """What does not agree with the ledger, a sentence for each; nothing is changed.

    Raises:
        BackendError: the database or MLflow does not answer.
    """
    wanted = in_charge(model)
    version = None if wanted is None else wanted.version
    with tracker() as client:
        held = alias(client, model, ALIAS)
        lost = held != version and _is_lost(client, model, version)
    said = _lost(model, version) if lost else _alias_points(model, held, version)
    found = [] if held == version else [said]
    try:
        served = serving(model)
    except IntegrityError as error:
        return (*found, str(error.args[0]))
    chosen = None if wanted is None else _chosen(wanted)
    if served != chosen:
        found.append(f"{pointer(model)} names {_named(served)}, the ledger {_named(chosen)}.")
    return tuple(found)


def require_servable(candidate: Candidate, bento: Bento) -> None:
    """Nothing, where a Bento may answer for a version.

    Raises:
        ConfigError: the Bento is another version's, was never smoke-tested, or is gone.
    """
    lacks = {
        f"it holds version {bento.version}": bento.version != candidate.version,
        "it was never smoke-tested": not bento.smoke,
        f"{bento.uri} is gone": not store.exists(bento.uri),
    }
    found = [what for what, is_so in lacks.items() if is_so]
    if found:
        raise ConfigError(
            f"{bento.tag} cannot serve version {candidate.version} of {candidate.model}: "
            f"{' and '.join(found)}.",
            hint="Run `train` again: it packages and tests what is missing.",
        )


def _bento_of(candidate: Candidate) -> Bento:
    place = bento_record(candidate.model, candidate.digest)
    if not store.exists(place):
        raise ConfigError(
            f"Version {candidate.version} of {candidate.model} was never smoke-tested.",
            hint=f"Run `train/{candidate.model}` again: it goes on where it was interrupted.",
        )
    return Bento.model_validate_json(store.get_bytes(place))


def _decided(
    candidate: Candidate, bento: Bento, as_of: datetime, why: tuple[str, str, str]
) -> Recorded:
    reason, actor, evidence = why
    ledger = Ledger()
    key = f"crown:{candidate.model}:{candidate.version}:{evidence}:{as_of.isoformat()}"
    earlier = ledger.find(key)
    if earlier is not None:
        return earlier
    before = ledger.last(candidate.model, CROWNINGS, as_of)
    back = before is not None and champion_of(before).version > candidate.version
    return ledger.append(
        Entry(
            kind=Kind.ROLLBACK if back else Kind.PROMOTION,
            model=candidate.model,
            as_of=as_of,
            subject=candidate.digest,
            actor=actor,
            evidence=evidence,
            reason=reason,
            payload={
                "candidate": candidate.model_dump(mode="json"),
                "bento": bento.model_dump(mode="json"),
            },
            key=key,
        )
    )


def _repair_alias(model: str, wanted: Champion | None) -> tuple[str, ...]:
    version = None if wanted is None else wanted.version
    with tracker() as client:
        held = alias(client, model, ALIAS)
        if held == version:
            return ()
        if _is_lost(client, model, version):
            return (_lost(model, version),)
        if wanted is not None:  # the alias comes last: where it is right, the tags are too
            for name, value in _marks(wanted).items():
                client.set_model_version_tag(model, str(wanted.version), name, value)
        point_alias(client, model, ALIAS, version)
    return (f"MLflow's alias {ALIAS} of {model} pointed at {held}, now at {version}.",)


def _is_lost(client: "MlflowClient", model: str, version: int | None) -> bool:
    return version is not None and version not in versions(client, model)


def _lost(model: str, version: int | None) -> str:
    return (
        f"MLflow has no version {version} of {model}, which is in charge: somebody deleted it. Its "
        f"Bento serves on; put another in charge with `perennial rollback {model}`, or train anew."
    )


def _alias_points(model: str, held: int | None, version: int | None) -> str:
    return f"MLflow's alias {ALIAS} of {model} points at {held}, the ledger says {version}."


def _marks(wanted: Champion) -> dict[str, str]:
    return {
        "perennial.crowned": wanted.since.isoformat(),
        "perennial.entry": wanted.entry,
        "perennial.bento": wanted.bento.tag,
    }


def _repair_serving(model: str, wanted: Champion | None) -> tuple[str, ...]:
    held = _held(model)
    chosen = None if wanted is None else _chosen(wanted)
    if held == chosen:
        return ()
    if chosen is None:
        withdraw(model)
    else:
        serve(chosen)
    return (f"{pointer(model)} named {_named(held)}, now {_named(chosen)}.",)


def _named(what: Serving | None) -> str:
    """In words; the entry is named, as a version may have been crowned more than once."""
    return "nothing" if what is None else f"version {what.version} (entry {what.entry[:8]})"


def _held(model: str) -> Serving | None:
    try:
        return serving(model)
    except IntegrityError:  # a damaged projection is written anew from the ledger
        withdraw(model)
        return None


def _chosen(wanted: Champion) -> Serving:
    return Serving(
        model=wanted.model,
        version=wanted.version,
        bento=wanted.bento.tag,
        uri=wanted.bento.uri,
        digest=wanted.bento.digest,
        since=wanted.since,
        entry=wanted.entry,
    )
