"""``perennial review``: which decisions wait for a person, and taking one."""

import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from deployments.cli.screen import show
from infra.errors import ConfigError
from infra.signatures import sign as signature_of
from tasks.governance.answers import Answer, form
from tasks.governance.evidence import read_evidence
from tasks.governance.objections import objections, statement
from tasks.governance.reviews import Pending, expire, find_pending, pending_reviews, submit
from tasks.references import Diagnosis
from tasks.spec import load_spec


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
        said = bool(approve) or diagnosis is Diagnosis.WORLD
        given = Answer(approve=said, diagnosis=diagnosis, reason=reason, reviewer=reviewer)
        _show_answer(answer(name or "", given, sign), said, as_json=as_json)
    elif expired:
        late = expire(datetime.now(UTC), name)
        _show(late, "Their declared default counts now", as_json=as_json)
    else:
        waiting = pending_reviews(name)
        if name is not None and not waiting:
            load_spec(
                name
            )  # that a model has none is an answer, that there is no such model another
        _show(waiting, "Waiting for a person", as_json=as_json)


def answer(run: str, given: Answer, key: Path | None = None) -> Pending:
    """The review that an answer was handed to, checked as the form checks it.

    Args:
        run: name or id of the suspended run, or a model with one pending review.
        given: the decision; without a reviewer it is the user of this machine.
        key: the SSH key that signs it, if any.

    Raises:
        ConfigError: no such review, it is not suspended, or the answer does not count.
        BackendError: the database or Prefect's server does not answer.
    """
    pending = find_pending(run)
    who = {"reviewer": given.reviewer.strip() or getpass.getuser()}
    named = form(pending.subject).model_validate(given.model_dump() | who)
    if key is not None:
        signature = signature_of(statement(named, pending.evidence), key)
        named = named.model_copy(update={"signature": signature})
    approval = load_spec(pending.model).approval
    evidence = read_evidence.fn(pending.evidence_uri)
    wrong = objections(named, approval, evidence, pending.approved_by)
    if wrong:
        raise ConfigError(" ".join(wrong), hint="Say it with --reason and --reviewer.")
    submit(pending, named)
    return pending


def _show(reviews: tuple[Pending, ...], title: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json") for each in reviews], indent=2))
        return
    if not reviews:
        typer.echo("No review is pending.")
        return
    columns = ("run", "about", "state", "since", "deadline", "default")
    show(columns, [_row(each) for each in reviews], title=title)


def _row(each: Pending) -> tuple[str, ...]:
    since, until = (f"{time:%Y-%m-%d %H:%M}" for time in (each.since, each.deadline))
    approved = f"\nApproved by {', '.join(each.approved_by)}" if each.approved_by else ""
    about = f"{each.title}\n{each.run_url}{approved}"
    return each.run, about, each.state, since, until, each.default


def _show_answer(pending: Pending, approved: bool, *, as_json: bool) -> None:
    verb = "approved" if approved else "refused"
    if as_json:
        facts = pending.model_dump(mode="json") | {"approved": approved}
        typer.echo(json.dumps(facts, indent=2))
    else:
        typer.echo(f"{pending.title}: {verb}. The run goes on: {pending.run_url}")
