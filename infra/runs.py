"""What flows need of Prefect: their time, their names, how they end, and how one starts another."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from prefect.client.orchestration import get_client
from prefect.client.schemas import filters
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Completed, Scheduled

import infra.garbage  # noqa: F401 - every flow's process is a run's
from infra.errors import BackendError, ConfigError
from infra.store import digest_of


def moment(as_of: datetime | None) -> datetime:
    """The time that a run decides by, fixed for its life: as asked, or its scheduled start.

    Raises:
        ConfigError: the time has no zone.
    """
    if as_of is None:
        started: datetime | None = flow_run.scheduled_start_time
        return (started or datetime.now(UTC)).astimezone(UTC)
    if as_of.tzinfo is None:
        raise ConfigError(
            f"as_of {as_of.isoformat()} has no time zone.", hint="Write it with one: ...T06:00:00Z."
        )
    return as_of.astimezone(UTC)


def named(*parameters: str) -> Callable[[], str]:
    """A flow's ``flow_run_name``: the values of those of its parameters that were given."""

    def name() -> str:
        given = flow_run.parameters or {}
        return "-".join(_word(given[each]) for each in parameters if given.get(each) is not None)

    return name


def _word(value: object) -> str:
    """A parameter's value in a name: of a time its day, which is what people look for."""
    return f"{value:%Y-%m-%d}" if isinstance(value, datetime) else str(value)


def ended(name: str, message: str) -> State[None]:
    """The final state of a run that did its work: Completed, named by its outcome."""
    return Completed(name=name, message=message)


def sentence(text: str) -> str:
    """A text that ends as a sentence does, so that another can follow.

    >>> sentence("Predict sales"), sentence("Is it late?")
    ('Predict sales.', 'Is it late?')
    """
    plain = text.rstrip()
    return plain if plain.endswith((".", "?", "!", "…")) else f"{plain}."


def start(flow: str, model: str, *, because: object, **parameters: object) -> str:
    """Start another flow's deployment for a model, once for one reason.

    Where the run that the reason has is there and was cut off, by a kill or with the stack, it is
    scheduled again: nothing else would go on with it. One that failed or was cancelled is over.

    Args:
        flow: name of the flow.
        model: name of the model.
        because: what the run is started for; the same reason starts no second run.
        parameters: the flow's other parameters.

    Returns:
        Id of the run, new or already there.

    Raises:
        ConfigError: there is no such deployment.
    """
    key = _key(flow, model, because)
    try:
        # As a subflow it could not suspend: the server refuses that (Prefect 3.8).
        run = run_deployment(
            f"{flow}/{model}",
            parameters={"model": model, **parameters},
            as_subflow=False,
            timeout=0,
            idempotency_key=key,
        )
    except ObjectNotFound as error:
        raise ConfigError(
            f"There is no deployment {flow}/{model}.", hint=f"Run `perennial deploy {model}`."
        ) from error
    if not isinstance(run, FlowRun):
        raise BackendError(f"{flow}/{model} was started from an event loop; start it from a flow.")
    if run.state_type is StateType.CRASHED:
        again: State[None] = Scheduled(message="It was cut off, and is asked for again.")
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run.id, again, force=True)
    return str(run.id)


def find(flow: str, model: str, because: object) -> FlowRun | None:
    """The run that `start` has made for a reason, if it is there."""
    runs = found(flow, model, [because])
    return runs[0] if runs else None


def found(flow: str, model: str, reasons: Sequence[object]) -> list[FlowRun]:
    """The runs that `start` has made for some reasons, as far as they are there."""
    if not reasons:
        return []
    keys = [_key(flow, model, each) for each in reasons]
    wanted = filters.FlowRunFilter(idempotency_key=filters.FlowRunFilterIdempotencyKey(any_=keys))
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=wanted)


def _key(flow: str, model: str, because: object) -> str:
    return f"{flow}-{model}-{digest_of(because)}"
