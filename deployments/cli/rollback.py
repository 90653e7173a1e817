"""``perennial rollback``: put an older version in charge again, through ``promote``."""

import getpass
from datetime import UTC, datetime
from typing import Annotated, Final, cast

import typer
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from pydantic import BaseModel, ConfigDict

from infra.addresses import addresses
from infra.errors import BackendError, ConfigError, few
from tasks.governance.reviews import reachable_prefect
from tasks.registry.crownings import champions, once_in_charge
from tasks.spec import load_spec

_PATIENCE_S: Final = 600


class Rollback(BaseModel):
    """How a rollback ended."""

    model_config = ConfigDict(frozen=True)

    model: str
    from_version: int
    to_version: int
    state: str
    message: str
    run_url: str


def add_to(app: typer.Typer) -> None:
    """Give the command line its ``rollback``."""
    app.command("rollback")(rollback)


def rollback(
    name: Annotated[str, typer.Argument(help="The model.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the ledger.")],
    to: Annotated[
        int | None, typer.Option(help="A version that was in charge; by default the last.")
    ] = None,
    actor: Annotated[str, typer.Option(help="Who decides; by default your user name.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Put an older version in charge again and wait until it is."""
    done = roll_back(name, reason, actor or getpass.getuser(), to)
    if as_json:
        typer.echo(done.model_dump_json(indent=2))
    else:
        typer.echo(
            f"{name}: version {done.to_version} is in charge instead of {done.from_version}. "
            f"{done.run_url}"
        )


def roll_back(model: str, reason: str, actor: str, to: int | None = None) -> Rollback:
    """The end of a promotion of an older version, which this waits for.

    Args:
        model: name of the model.
        reason: why, for the ledger; at least three characters.
        actor: who decided.
        to: a version that was in charge; by default the champion before, by the ledger.

    Raises:
        ConfigError: nothing to roll back to, or the model is not deployed.
        BackendError: the promotion failed or did not end in ten minutes.
    """
    if len(reason.strip()) < 3:  # noqa: PLR2004 - as the review's form asks
        raise ConfigError(
            "A rollback wants a reason of three letters at least.", hint="Say it with --reason."
        )
    current, target = versions(model, to)
    run = _promoted(model, target, reason.strip(), actor)
    state = run.state
    url = addresses().run(run.id)
    if state is None or not state.is_final():
        raise BackendError(
            f"The promotion of version {target} did not end in {_PATIENCE_S} s.",
            hint=f"Does a worker run? `perennial status` tells; see {url}.",
        )
    if not state.is_completed():
        raise BackendError(
            f"The promotion of version {target} ended as {state.name}: {state.message}",
            hint=f"See {url}.",
        )
    return Rollback(
        model=model,
        from_version=current,
        to_version=target,
        state=state.name or "",
        message=state.message or "",
        run_url=url,
    )


def versions(model: str, to: int | None) -> tuple[int, int]:
    """The version in charge and the one to roll back to.

    Raises:
        ConfigError: there is no such model, no champion, none before it, it is the one that was
            asked for, or that one was never in charge.
    """
    load_spec(model)
    line = champions(model)
    if not line:
        raise ConfigError(f"{model} has no champion.", hint=f"Train it: `train/{model}`.")
    current, before = line[-1], line[-2] if len(line) > 1 else None
    target = before if to is None else to
    if target is None:
        raise ConfigError(
            f"Version {current} is the first champion of {model}.", hint="Name one with --to."
        )
    if target == current:
        raise ConfigError(f"Version {target} is in charge already.", hint="Nothing was changed.")
    known = once_in_charge(model)
    if target not in known:
        raise ConfigError(
            f"Version {target} of {model} was never in charge; a rollback does not pass the gates.",
            hint=f"Take one of {few(sorted(known - {current}))}.",
        )
    return current, target


def _promoted(model: str, version: int, reason: str, actor: str) -> FlowRun:
    parameters = {
        "model": model,
        "version": version,
        "reason": reason,
        "actor": actor,
        "as_of": datetime.now(UTC).isoformat(),
    }
    try:
        with reachable_prefect():
            return cast(  # a coroutine only where an event loop runs; here none does
                "FlowRun",
                run_deployment(
                    f"promote/{model}",
                    parameters=parameters,
                    as_subflow=False,
                    timeout=_PATIENCE_S,
                    poll_interval=1,
                ),
            )
    except ObjectNotFound as error:
        raise ConfigError(
            f"There is no deployment promote/{model}.", hint=f"Run `perennial deploy {model}`."
        ) from error
