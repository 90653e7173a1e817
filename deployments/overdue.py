"""Reviews past their deadline: the default comes about by their run, or by a record alone."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from prefect.exceptions import ObjectNotFound

from infra.errors import DataError, IntegrityError, PerennialError
from infra.settings import settings
from tasks.governance.alerting import sentences, tell_outside
from tasks.governance.evidence import read_evidence
from tasks.governance.notices import AlertSpec
from tasks.governance.reminders import default_notice
from tasks.governance.reviews import (
    Pending,
    goes_on,
    pending_reviews,
    reachable_prefect,
    refuse,
    start_again,
)
from tasks.spec import declared_models, load_spec

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

_OVERDUE: Final = "Overdue"
_MOST_STARTS: Final = 6
"""Of one run, past its deadline: an hour of upkeeps, which outlasts a server that is restarted."""


class Overdue(NamedTuple):
    """A review past its deadline, and what became of it: a sentence."""

    review: Pending
    said: str


def expire(now: datetime, model: str | None = None) -> tuple[Overdue, ...]:
    """The reviews past their deadline, their declared default on its way.

    Prefect's server marks a run that nobody resumed as Failed with no process of ours, so each is
    started again: it finds its deadline passed, decides by the default and does what that allows.
    A review whose run can do nothing any more is recorded as refused, and those who want to know
    of it are told. A declaration with a mistake in it, and a store that does not answer, are
    waited for.

    Raises:
        BackendError: the database or Prefect's server does not answer.
    """
    late = [each for each in pending_reviews(model) if each.deadline <= now]
    if not late:
        return ()
    with reachable_prefect() as client:
        return tuple(Overdue(each, _settled(client, each)) for each in late)


def _settled(client: "SyncPrefectClient", review: Pending) -> str:
    why = _hopeless(client, review)
    if why:
        return _refused(review, why)
    by = f"{review.deadline.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    try:
        load_spec(review.model)
        read_evidence.fn(review.evidence_uri)
    except (DataError, IntegrityError) as error:
        return _refused(review, f"what was shown cannot be read: {error.args[0]}".rstrip("."))
    except (PerennialError, OSError) as error:
        said = f"nobody decided by {by}, and the default, {review.default}, waits"
        return f"{review.title}: {said}. {error.args[0] if error.args else error}"
    start_again(client, review, _OVERDUE, "The deadline has passed.")
    return f"{review.title}: nobody decided by {by}; the default is {review.default}."


def _hopeless(client: "SyncPrefectClient", review: Pending) -> str:
    """Why the run of a review will never decide by the default; empty where it may."""
    if review.is_gone:
        return "the run that asked was deleted"
    run = client.read_flow_run(UUID(review.run_id))
    if not _has_deployment(client, run):
        return "the deployment of the run that asked was removed"
    if goes_on(run):
        return ""
    if settings().models.is_dir() and review.model not in declared_models():
        return f"no model {review.model} is declared any more"
    states = client.read_flow_run_states(run.id)
    starts = sum(each.name == _OVERDUE for each in states)
    return f"its run failed {starts} times since" if starts >= _MOST_STARTS else ""


def _has_deployment(client: "SyncPrefectClient", run: "FlowRun") -> bool:
    if run.deployment_id is None:
        return False
    try:
        client.read_deployment(run.deployment_id)
    except ObjectNotFound:
        return False
    return True


def _refused(review: Pending, why: str) -> str:
    """People are told first: a kill before the record has it all done again, and told once."""
    reason = f"Nobody answered by {review.deadline.isoformat(' ', 'minutes')}, and {why}."
    told = tell_outside(default_notice(review, reason), _rules(review.model))
    said = [f"{review.title}: refused. {reason}", *sentences(told)]
    refuse(review, reason)
    return " ".join(said)


def _rules(model: str) -> tuple[AlertSpec, ...]:
    """Who is told; nobody where the declaration cannot be read, for it names nobody."""
    try:
        return load_spec(model).alerts
    except PerennialError:
        return ()
