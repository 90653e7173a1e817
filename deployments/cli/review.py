"""``perennial review``: which decisions wait for a person, and taking one."""

import getpass
import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from deployments.cli.screen import show
from infra.errors import ConfigError
from tasks.governance.answers import Answer, faults
from tasks.governance.reviews import Pending, expire, find_pending, pending_reviews, submit
from tasks.spec import load_spec


def add_to(app: typer.Typer) -> None:
    """Give the command line its ``review``."""
    app.command("review")(review)


def review(
    name: Annotated[
        str | None, typer.Argument(help="A model, to list its reviews; or the run to decide.")
    ] = None,
    approve: Annotated[
        bool | None, typer.Option("--approve/--refuse", help="The decision.", show_default=False)
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the ledger.")] = "",
    reviewer: Annotated[str, typer.Option(help="Who decides; by default your user name.")] = "",
    expired: Annotated[
        bool, typer.Option("--expire", help="Apply the default to reviews past their deadline.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the reviews that wait, or decide one."""
    if approve is not None:
        decided = answer(name or "", Answer(approve=approve, reason=reason, reviewer=reviewer))
        _show_answer(decided, approve, as_json=as_json)
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


def answer(run: str, given: Answer) -> Pending:
    """The review that an answer was handed to, checked as the form checks it.

    Args:
        run: name or id of the suspended run, or a model with one pending review.
        given: the decision; without a reviewer it is the user of this machine.

    Raises:
        ConfigError: no such review, it is not suspended, or the answer does not count.
        BackendError: the database or Prefect's server does not answer.
    """
    pending = find_pending(run)
    named = given.model_copy(update={"reviewer": given.reviewer.strip() or getpass.getuser()})
    wrong = faults(named, load_spec(pending.model).approval)
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
    return each.run, f"{each.title}\n{each.run_url}", each.state, since, until, each.default


def _show_answer(pending: Pending, approved: bool, *, as_json: bool) -> None:
    verb = "approved" if approved else "refused"
    if as_json:
        facts = pending.model_dump(mode="json") | {"approved": approved}
        typer.echo(json.dumps(facts, indent=2))
    else:
        typer.echo(f"{pending.title}: {verb}. The run goes on: {pending.run_url}")
