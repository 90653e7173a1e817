"""``perennial review``: which decisions wait for a person, and taking one."""

import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer
from pydantic import ValidationError

from deployments.cli.screen import show
from deployments.overdue import Overdue, expire
from infra.errors import ConfigError
from infra.signatures import sign as signature_of
from tasks.governance.answers import Answer, form
from tasks.governance.evidence import read_evidence
from tasks.governance.objections import objections, statement
from tasks.governance.reviews import Pending, find_pending, pending_reviews, submit
from tasks.governance.rules import rules_for
from tasks.references import Diagnosis, Subject
from tasks.spec import load_spec

_DONE: Final = {
    Subject.BATCH: "the batch is let in",
    Subject.CANDIDATE: "the candidate is put in charge",
    Subject.DRIFT: "a model is trained",
}
_DROPPED: Final = {
    Subject.BATCH: "the batch stays out",
    Subject.CANDIDATE: "the candidate is not put in charge",
    Diagnosis.BROKEN: "people are told, and nothing is trained",
    Diagnosis.EXPECTED: "nothing is done",
}


def add_to(app: typer.Typer) -> None:
    """Give the command line its ``review``."""
    app.command("review")(review)


def review(  # noqa: PLR0913, PLR0917 - each is an option of the command
    name: Annotated[
        str | None, typer.Argument(help="A model, to list its reviews; or the run to decide.")
    ] = None,
    approve: Annotated[
        bool | None, typer.Option("--approve/--refuse", help="The decision.", show_default=False)
    ] = None,
    diagnosis: Annotated[
        Diagnosis | None, typer.Option(help="Of drift, in the place of --approve: what it is.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the ledger.")] = "",
    reviewer: Annotated[str, typer.Option(help="Who decides; by default your user name.")] = "",
    sign: Annotated[
        Path | None, typer.Option(help="SSH key that signs the decision.", show_default=False)
    ] = None,
    expired: Annotated[
        bool, typer.Option("--expire", help="Apply the default to reviews past their deadline.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the reviews that wait, or decide one."""
    if approve is not None or diagnosis is not None:
        given = Answer(approve=approve, diagnosis=diagnosis, reason=reason, reviewer=reviewer)
        _show_answer(answer(name or "", given, sign), as_json=as_json)
    elif expired:
        _show_overdue(expire(datetime.now(UTC), name), as_json=as_json)
    else:
        waiting = pending_reviews(name)
        if name is not None and not waiting:
            load_spec(
                name
            )  # that a model has none is an answer, that there is no such model another
        _show(waiting, "Waiting for a person", as_json=as_json)


class Answered(NamedTuple):
    """An answer that was handed over.

    Attributes:
        review: what it is about.
        said: it, with its name and signature.
        needed: how many must approve.
    """

    review: Pending
    said: Answer
    needed: int


def answer(run: str, given: Answer, key: Path | None = None) -> Answered:
    """What was handed to a review, checked as the form checks it.

    Args:
        run: name or id of the suspended run, or a model with one pending review.
        given: the decision; without a reviewer it is the user of this machine.
        key: the SSH key that signs it, if any.

    Raises:
        ConfigError: no such review, it is not suspended, or the answer does not count.
        BackendError: the database or Prefect's server does not answer.
    """
    pending = find_pending(run)
    signed = named(given, pending.subject)
    if key is not None:
        signature = signature_of(statement(signed, pending.evidence), key)
        signed = signed.model_copy(update={"signature": signature})
    rules = rules_for(pending.model, pending.evidence, load_spec(pending.model).approval)
    evidence = read_evidence.fn(pending.evidence_uri)
    approved = dict(zip(pending.approved_by, pending.approved_with, strict=True))
    wrong = objections(signed, rules, evidence, approved)
    if wrong:
        raise ConfigError(" ".join(wrong), hint="`perennial review --help` says how to decide.")
    submit(pending, signed)
    return Answered(pending, signed, rules.approval.approvals)


def named(given: Answer, subject: Subject) -> Answer:
    """An answer as the form of its subject takes it, with a name.

    Raises:
        ConfigError: its decision and its diagnosis contradict each other.
    """
    who = {"reviewer": given.reviewer.strip() or getpass.getuser()}
    try:
        return form(subject).model_validate(given.model_dump() | who)
    except ValidationError as error:
        said = "--approve" if given.approve else "--refuse"
        raise ConfigError(
            f"{said} and --diagnosis {given.diagnosis} contradict each other.",
            hint="Of drift --diagnosis is enough: what is done follows from it.",
        ) from error


def _show(reviews: tuple[Pending, ...], title: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json") for each in reviews], indent=2))
        return
    if not reviews:
        typer.echo("No review is pending.")
        return
    columns = ("run", "about", "state", "since (UTC)", "deadline (UTC)", "default")
    now = datetime.now(UTC)
    show(columns, [row(each, now) for each in reviews], title=title)


def _show_overdue(found: tuple[Overdue, ...], *, as_json: bool) -> None:
    if as_json:
        facts = [each.review.model_dump(mode="json") | {"said": each.said} for each in found]
        typer.echo(json.dumps(facts, indent=2))
        return
    for each in found:
        typer.echo(each.said)
    if not found:
        typer.echo("No review is past its deadline.")


def row(each: Pending, now: datetime) -> tuple[str, ...]:
    """What the list shows of a review that waits."""
    times = (time.astimezone(UTC) for time in (each.since, each.deadline))
    since, until = (f"{time:%Y-%m-%d %H:%M}" for time in times)
    approved = f"\nApproved by {', '.join(each.approved_by)}" if each.approved_by else ""
    about = f"{each.title}\n{each.run_url}{approved}{_over(each, now)}"
    return each.run, about, each.state, since, until, each.default


def _over(each: Pending, now: datetime) -> str:
    if now >= each.deadline:
        return "\nIts deadline has passed; the next upkeep applies the default."
    if each.is_gone:
        return "\nIts run was deleted; at the deadline it is refused."
    return "\nIts run is over; an answer starts it again." if each.is_cut_off else ""


def _show_answer(answered: Answered, *, as_json: bool) -> None:
    pending, said = answered.review, answered.said
    if as_json:
        facts = {"approved": said.approve is True, "diagnosis": said.diagnosis}
        typer.echo(json.dumps(pending.model_dump(mode="json") | facts, indent=2))
    else:
        typer.echo(f"{pending.title}: {follows(answered)} The run goes on: {pending.run_url}")


def follows(answered: Answered) -> str:
    """What was recorded of an answer, and what comes of it: a sentence."""
    pending, said = answered.review, answered.said
    so_far = len(pending.approved_by) + 1
    word = said.diagnosis.value if said.diagnosis else ("approved" if said.approve else "refused")
    if not said.approve:
        return f"{word}, so {_DROPPED[said.diagnosis or pending.subject]}."
    if so_far < answered.needed:
        return f"{word}, {so_far} of {answered.needed} approvals; the others are waited for."
    return f"{word}, so {_DONE[pending.subject]}, if what was shown is still so."
