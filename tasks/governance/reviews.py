"""The reviews that wait: which they are, giving an answer, and how they go on."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from typing import Final
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import PrefectHTTPStatusError
from prefect.input import keyset_from_paused_state
from prefect.states import Scheduled
from pydantic import BaseModel, ConfigDict, Field
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from infra.addresses import addresses
from infra.errors import BackendError, ConfigError, few
from infra.ledger import Entry, Kind, Ledger, Recorded
from tasks.governance.answering import approvers
from tasks.governance.answers import DEADLINE, Answer, form
from tasks.governance.gates import gate_key, response_key
from tasks.governance.recording import review_key
from tasks.references import Subject

_PAGE: Final = 200
"""Runs that Prefect's server returns at most for one question."""

_GONE: Final = "Gone"
_MOVING: Final = frozenset({"RUNNING", "PENDING", "SCHEDULED", "CANCELLING"})


class Pending(BaseModel):
    """A review that nobody has decided yet."""

    model_config = ConfigDict(frozen=True)

    run: str = Field(description="Name of the flow run.")
    run_id: str
    run_url: str
    model: str
    subject: Subject
    title: str
    state: str = Field(description="Name of the run's state; Suspended waits for an answer.")
    as_of: datetime
    since: datetime
    deadline: datetime
    default: str
    is_cut_off: bool = Field(
        False, description="Its run was cancelled, failed or deleted: it asks nobody any more."
    )
    approved_by: tuple[str, ...] = Field((), description="Those who have, where several must.")
    approved_with: tuple[str, ...] = Field(
        (), description="The key of each, as OpenSSH shows it; empty where it was not signed."
    )
    evidence: str = Field(description="Digest of the evidence.")
    evidence_uri: str

    @property
    def is_gone(self) -> bool:
        """Whether its run was deleted: no answer reaches it any more."""
        return self.state == _GONE


class NotYetError(BackendError):
    """Prefect's server could not resume the run now, and may be able to in a moment."""


def pending_reviews(model: str | None = None) -> tuple[Pending, ...]:
    """The reviews that were asked for and not decided, oldest first.

    Raises:
        BackendError: the database or Prefect's server does not answer.
    """
    ledger = Ledger()
    done = {record.evidence for record in ledger.entries(model, Kind.REVIEW)}
    asked = ledger.entries(model, Kind.QUESTION)
    newest = {each.evidence: each for each in sorted(asked, key=lambda each: each.id)}
    questions = [each for digest, each in newest.items() if digest not in done]
    if not questions:
        return ()
    runs = _runs([str(each.payload["run"]) for each in questions])
    said = approvers(model, {each.evidence for each in questions})
    return tuple(
        _pending(each, runs.get(str(each.payload["run"])), said.get(each.evidence, {}))
        for each in questions
    )


def find_pending(run: str) -> Pending:
    """The pending review of a run's id or name, or the only one of a model.

    Raises:
        ConfigError: there is none, or several bear the name.
        BackendError: the database or Prefect's server does not answer.
    """
    waiting = pending_reviews()
    found = [each for each in waiting if run in {each.run_id, each.run, each.model}]
    exact = [each for each in found if run == each.run_id] or found
    if len(exact) == 1:
        return exact[0]
    if exact:
        ids = [f"{each.run_id} ({each.title})" for each in exact]
        raise ConfigError(
            f"{len(exact)} pending reviews are called {run!r}.", hint=f"Name its id: {few(ids)}."
        )
    names = [each.run for each in waiting]
    raise ConfigError(
        f"No pending review is called {run!r}.",
        hint=f"Pending are: {few(names)}." if names else "No review is pending.",
    )


def submit(pending: Pending, answer: Answer) -> None:
    """Hand an answer to the suspended run of a review, which then goes on.

    One that was cancelled, or failed, is started again and finds the answer when it asks.

    Raises:
        ConfigError: the deadline has passed, the run is gone or not suspended, or its form
            refuses the answer.
        BackendError: Prefect's server does not answer, or fails to resume time and again.
    """
    if Ledger().now() >= pending.deadline:
        raise ConfigError(
            f"{pending.title}: the deadline has passed, at {pending.deadline:%Y-%m-%d %H:%M} UTC. "
            f"The default is {pending.default}.",
            hint="`perennial upkeep` applies it.",
        )
    with reachable_prefect() as client:
        if pending.is_gone:
            raise ConfigError(
                f"The run {pending.run} was deleted, and with it the question.",
                hint="At its deadline the review is recorded as refused.",
            )
        run = client.read_flow_run(UUID(pending.run_id))
        if run.state is not None and run.state.is_final() and not run.state.is_completed():
            _leave(client, pending, answer)
            start_again(client, pending, "Answered", "It was over, and is answered.")
        else:
            _resume(client, pending, answer)


@contextmanager
def reachable_prefect() -> Iterator[SyncPrefectClient]:
    """Prefect's client, whose failures become ours.

    Raises:
        ConfigError: no server was ever started here; Prefect would start one of its own.
        BackendError: Prefect's server does not answer, or it failed.
    """
    addresses()
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.HTTPError as error:
        raise BackendError(
            f"Prefect's server does not answer: {error}.", hint="Run `perennial up`."
        ) from error


def _runs(ids: Sequence[str]) -> dict[str, FlowRun]:
    found: dict[str, FlowRun] = {}
    with reachable_prefect() as client:
        for page in _pages(ids):
            wanted = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(each) for each in page]))
            runs = client.read_flow_runs(flow_run_filter=wanted, limit=_PAGE)
            found.update((str(run.id), run) for run in runs)
    return found


def _pages(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + _PAGE] for start in range(0, len(ids), _PAGE))


def _pending(question: Recorded, run: FlowRun | None, approved: dict[str, str]) -> Pending:
    asked = question.payload
    return Pending(
        run=run.name if run else str(asked["name"]),
        run_id=str(asked["run"]),
        run_url=addresses().run(asked["run"]),
        model=question.model,
        subject=Subject(str(asked["subject"])),
        title=question.reason,
        state=(run.state_name or "Unknown") if run else _GONE,
        as_of=question.as_of,
        since=question.at,
        deadline=datetime.fromisoformat(str(asked["deadline"])),
        default=str(asked["default"]),
        is_cut_off=run is None or (run.state is not None and run.state.is_final()),
        approved_by=tuple(approved),
        approved_with=tuple(approved.values()),
        evidence=question.evidence,
        evidence_uri=str(asked["uri"]),
    )


def _leave(client: SyncPrefectClient, pending: Pending, answer: Answer) -> None:
    """Put an answer where a run that is not suspended will look for it first: its next gate."""
    run = UUID(pending.run_id)
    inputs = client.filter_flow_run_input(run, key_prefix="", limit=_PAGE, exclude_keys=set())
    held = {each.key for each in inputs}
    gates = (response_key(gate_key(pending.evidence, attempt)) for attempt in count(1))
    free = next(each for each in gates if each not in held)
    value = json.dumps(_handed(answer))
    try:
        client.create_flow_run_input(flow_run_id=run, key=free, value=value)
    except PrefectHTTPStatusError as error:
        raise ConfigError(
            f"{pending.run} took no answer: somebody else has just given one.",
            hint=f"See {pending.run_url}.",
        ) from error


def _handed(answer: Answer) -> dict[str, object]:
    return answer.model_dump(mode="json", by_alias=True)


@retry(
    retry=retry_if_exception_type(NotYetError),
    wait=wait_random_exponential(multiplier=0.2, max=2),
    stop=stop_after_attempt(6),
    reraise=True,
)
def _resume(client: SyncPrefectClient, pending: Pending, answer: Answer) -> None:
    try:
        result = client.resume_flow_run(UUID(pending.run_id), _handed(answer))
    except PrefectHTTPStatusError as error:
        raise NotYetError(f"Failed to resume {pending.run}: {error}.") from error
    if result.status == SetStateStatus.ACCEPT:
        return
    reason = str(getattr(result.details, "reason", None) or result.status)
    if result.status == SetStateStatus.WAIT:
        raise NotYetError(f"Prefect's server is busy with {pending.run}: {reason}.")
    if "schema not found" in reason:
        _write_form(client, pending)
        raise NotYetError(f"The form of {pending.run} was not there; it is now.")
    raise ConfigError(
        f"{pending.run} took no answer: {reason}",
        hint=f"Its state was {pending.state}; see {pending.run_url}.",
    )


def _write_form(client: SyncPrefectClient, pending: Pending) -> None:
    """Put back the form of a run that was killed between its suspension and its form."""
    state = client.read_flow_run(UUID(pending.run_id)).state
    if state is not None and state.is_paused():
        client.create_flow_run_input(
            flow_run_id=UUID(pending.run_id),
            key=keyset_from_paused_state(state)["schema"],
            value=json.dumps(form(pending.subject).model_json_schema()),
        )


def start_again(client: SyncPrefectClient, pending: Pending, name: str, message: str) -> None:
    """Have the run of a review worked on again, unless it goes on by itself.

    Args:
        client: of Prefect.
        pending: the review.
        name: of the state that the run gets.
        message: why it is started.
    """
    run = client.read_flow_run(UUID(pending.run_id))
    if not goes_on(run):
        client.set_flow_run_state(run.id, Scheduled(name=name, message=message), force=True)


def goes_on(run: FlowRun) -> bool:
    """Whether a run goes on by itself, and applies what is due."""
    return run.state is not None and run.state.type.value in _MOVING


def refuse(pending: Pending, reason: str) -> None:
    """Record a review as refused whose run cannot decide by the default any more.

    Raises:
        IntegrityError: something else was decided meanwhile.
        BackendError: the database is gone.
    """
    Ledger().append(
        Entry(
            kind=Kind.REVIEW,
            model=pending.model,
            as_of=pending.as_of,
            subject=pending.evidence,
            actor=DEADLINE,
            evidence=pending.evidence,
            reason=reason,
            payload={"approved": False, "subject": pending.subject.value},
            key=review_key(pending.evidence),
        )
    )
