"""Who decides, on a real Prefect server: two people, no authors, signatures, nobody twice."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.states import Cancelled, Failed
from typer.testing import CliRunner

from deployments.cli import build
from infra.entries import Kind
from infra.errors import ConfigError
from infra.identity import authors_between
from infra.ledger import Ledger, Recorded
from infra.signatures import sign
from tasks.governance.answers import Answer
from tasks.governance.currency import outdated
from tasks.governance.evidence import evidence_for_batch, evidence_for_candidate
from tasks.governance.objections import statement
from tasks.governance.recording import record_batch
from tasks.governance.reviews import Pending, find_pending, submit
from tasks.references import Ask, Evidence
from tests.support.asking_flow import asking
from tests.support.crowning_flow import crowned
from tests.support.homes import environment, home_on
from tests.support.repositories import committed, git, repository
from tests.support.small_model import write_model
from tests.support.subjects import batch, bento, candidate, comparison, finding

TWO = {"approvals": 2, "reviewers": ["ann", "bob", "eve"]}


@pytest.fixture
def home(postgres: str, api: str, tmp_path: Path) -> Iterator[Path]:
    """An empty ledger, and the Prefect server that the session shares."""
    assert api
    quiet = temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: False})  # no log is looked at
    with home_on(postgres, tmp_path), quiet:
        yield tmp_path


def evidence() -> Evidence:
    """Stored evidence about a batch on hold."""
    return evidence_for_batch.fn(batch(finding()))


def asked(seen: Evidence, **declared: object) -> UUID:
    """A suspended review's run of a declaration."""
    parameters = {"model": "flights", "evidence": seen.uri, "declared": declared}
    with get_client(sync_client=True) as client:
        place = client.create_deployment(client.create_flow_from_name("asking"), uuid4().hex[:8])
        run = client.create_flow_run_from_deployment(place, parameters=parameters).id
    assert executed(run).state_name == "Suspended"
    return run


def executed(run: UUID) -> FlowRun:
    """The run after it was worked on, from its top to its next suspension or its end."""
    with get_client(sync_client=True) as client:
        with suppress(Pause):
            run_flow(asking, flow_run=client.read_flow_run(run))
        return client.read_flow_run(run)


def said(
    run: UUID,
    reviewer: str,
    *,
    approve: bool = True,
    reason: str = "It is well.",
    signature: str = "",
) -> FlowRun:
    """The run after somebody has answered."""
    answer = Answer(approve=approve, reason=reason, reviewer=reviewer, signature=signature)
    submit(find_pending(str(run)), answer)
    return executed(run)


def pending(run: UUID) -> Pending:
    """What waits for a person."""
    return find_pending(str(run))


def answers() -> list[tuple[str, bool, str]]:
    """What the ledger keeps of answers that decided nothing: who, whether it counts, why not."""
    entries = Ledger().entries("flights", Kind.ANSWER)
    return [(each.actor, each.payload["counts"] is True, _why(each)) for each in entries]


def _why(entry: Recorded) -> str:
    why = entry.payload["why"]
    assert isinstance(why, list)
    return " ".join(map(str, why))


def test_two_people_approve_and_the_same_one_is_not_two(home: Path) -> None:
    """The first approval waits; again by the same it does not count, and is on record."""
    run = asked(evidence(), **TWO)

    assert said(run, "ann").state_name == "Suspended"
    waits = pending(run)
    assert said(run, "ann").state_name == "Suspended"
    done = said(run, "bob")

    assert waits.approved_by == ("ann",)
    assert done.state_name == "Approved"
    [review] = Ledger().entries("flights", Kind.REVIEW)
    assert (review.actor, review.payload["approvals"]) == ("ann and bob", ["ann"])
    assert answers() == [
        ("ann", True, ""),
        ("ann", False, "ann has approved already; it takes 2 people."),
    ]


def test_a_deadline_is_kept_by_the_databases_clock(home: Path) -> None:
    """By which the question is on record too; a worker's own may be wrong."""
    run = asked(evidence(), deadline="PT1H")

    waits = pending(run)

    assert abs(Ledger().now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert (
        timedelta(0) <= waits.since - (waits.deadline - timedelta(hours=1)) < timedelta(minutes=1)
    )


def test_one_refusal_is_enough(home: Path) -> None:
    """Whoever has approved before."""
    run = asked(evidence(), **TWO)
    said(run, "ann")

    done = said(run, "eve", approve=False)

    assert done.state_name == "Refused"
    [review] = Ledger().entries("flights", Kind.REVIEW)
    assert (review.actor, review.payload["approvals"]) == ("eve", ["ann"])


def test_a_replayed_approval_is_refused_and_on_record(home: Path) -> None:
    """Ann's signature under other evidence, or handed over a second time, decides nothing."""
    key = key_of(home, "ann")
    signed = {"signed": True, "signers": "allowed_signers"}
    with environment({"PERENNIAL_MODELS": str(home / "models")}):
        first, other = evidence(), evidence_for_batch.fn(batch(finding("another", "x")))
        text = statement(Answer(approve=True, reason="It is well.", reviewer="ann"), first.digest)
        signature = sign(text, key)
        elsewhere, here = asked(other, **signed), asked(first, **TWO, **signed)

        replayed = said(elsewhere, "ann", signature=signature)
        once = said(here, "ann", signature=signature)
        twice = said(here, "ann", signature=signature)

    assert {each.state_name for each in (replayed, once, twice)} == {"Suspended"}
    assert Ledger().entries("flights", Kind.REVIEW) == ()
    assert answers() == [
        ("ann", False, "This is not a signature of ann under this decision and evidence."),
        ("ann", True, ""),
        ("ann", False, "ann has approved already; it takes 2 people."),
    ]


def test_a_suspended_run_goes_on_by_a_signature_from_the_command(home: Path) -> None:
    """``perennial review --sign``; without it the command says how."""
    key = key_of(home, "ann")
    approval = {"reviewers": ["ann"], "signed": True, "signers": "allowed_signers"}
    write_model(home / "models", "flights", approval=approval)
    with environment({"PERENNIAL_MODELS": str(home / "models")}):
        run = asked(evidence(), **approval)
        command = ["review", str(run), "--approve", "--reviewer", "ann", "--reason", "It is well."]

        unsigned = CliRunner().invoke(build(), command)
        done = CliRunner().invoke(build(), [*command, "--sign", str(key)])
        ended = executed(run)

    assert isinstance(unsigned.exception, ConfigError)
    assert "--sign KEY" in str(unsigned.exception)
    assert done.exit_code == 0, done.output
    assert ended.state_name == "Approved"
    [review] = Ledger().entries("flights", Kind.REVIEW)
    assert (review.actor, review.payload["signed"]) == ("ann", True)


def test_an_approval_lapses_with_its_key(home: Path) -> None:
    """The list, the command and the form say so, and who has approved is who has."""
    old, bob = key_of(home, "ann"), key_of(home, "bob")
    rules = {"reviewers": ["ann", "bob"], "signed": True, "signers": "allowed_signers"}
    two = {**rules, "approvals": 2}
    write_model(home / "models", "flights", approval=two)
    signers = home / "models" / "flights" / "allowed_signers"
    with environment({"PERENNIAL_MODELS": str(home / "models")}):
        run = asked(evidence(), **two)
        form = form_of(run)
        command = ["review", str(run), "--approve", "--reason", "It is well.", "--reviewer"]
        CliRunner().invoke(build(), [*command, "ann", "--sign", str(old)])
        executed(run)
        before = pending(run).approved_by
        committed(home / "models", signers, signers.read_text().splitlines()[-1])

        after = pending(run).approved_by
        told = CliRunner().invoke(build(), [*command, "bob", "--sign", str(bob)])
        again = executed(run)

    assert "Reviewers: ann, bob." in form.replace("\\", "")
    assert "Only a signed decision counts, none from this form" in form
    assert (before, after) == (("ann",), ())
    assert "1 of 2 approvals" in told.output
    assert again.state_name == "Suspended"
    assert "An approval counts no more." in form_of(run)
    assert "1 of 2 people has approved: bob" in form_of(run).replace("\\", "")


def form_of(run: UUID) -> str:
    """What stands on the form of a suspended run."""
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
        assert state is not None
        assert state.state_details.run_input_keyset is not None
        return client.read_flow_run_input(run, state.state_details.run_input_keyset["description"])


def key_of(home: Path, name: str) -> Path:
    """Somebody's key, which the model may be signed with, as with those before it."""
    key = home / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)],  # noqa: S607 - on PATH
        check=True,
    )
    folder = home / "models" / "flights"
    folder.mkdir(parents=True, exist_ok=True)
    git(home / "models", "init", "-q", ".")
    public = key.with_suffix(".pub").read_text()
    signers = folder / "allowed_signers"
    known = signers.read_text() if signers.exists() else ""
    committed(home / "models", signers, f"{known}{name} {public}")
    return key


def test_what_waits_is_decided_by_the_rules_under_which_it_was_asked(home: Path) -> None:
    """A change of the declaration, or of the keys, counts for what is asked after it."""
    key = key_of(home, "ann")
    strict = {"reviewers": ["ann"], "signed": True, "signers": "allowed_signers"}
    write_model(home / "models", "flights", approval={"reviewers": ["eve"]})
    with environment({"PERENNIAL_MODELS": str(home / "models")}):
        run = asked(evidence(), **strict)
        with get_client(sync_client=True) as client:
            client.update_flow_run(run, parameters={**_parameters(run), "declared": {}})
        command = ["review", str(run), "--approve", "--reason", "It is well.", "--reviewer"]

        eve = CliRunner().invoke(build(), [*command, "eve"])
        unsigned = said(run, "ann")
        done = CliRunner().invoke(build(), [*command, "ann", "--sign", str(key)])
        ended = executed(run)

    assert "eve is no reviewer of this model; they are ann." in str(eve.exception)
    assert unsigned.state_name == "Suspended"
    assert done.exit_code == 0, done.output
    assert ended.state_name == "Approved"


def _parameters(run: UUID) -> dict[str, object]:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run).parameters


@pytest.mark.parametrize("state", [Cancelled(), Failed()])
def test_a_review_whose_run_is_over_is_started_again_by_an_answer(
    home: Path, state: State[None]
) -> None:
    """Somebody pressed Cancel; the question is still open, and says that nobody asks it."""
    run = asked(evidence(), **TWO)
    said(run, "ann")
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, state, force=True)
    waits = pending(run)

    submit(waits, Answer(approve=True, reason="It is well.", reviewer="bob"))
    with get_client(sync_client=True) as client:
        due = client.read_flow_run(run)
    done = executed(run)

    assert waits.is_cut_off
    assert (due.state_name, due.next_scheduled_start_time is not None) == ("Answered", True)
    assert done.state_name == "Approved"
    [review] = Ledger().entries("flights", Kind.REVIEW)
    assert review.actor == "ann and bob"


def test_what_is_no_answer_is_kept_as_it_came(home: Path) -> None:
    """By Prefect's API anything can be handed over: the form says which field was wrong."""
    run = asked(evidence())
    given = {"decision": "approve", "reason": "It is well.", "reviewer": "ann"}
    odd = given | {"diagnosis": "ill", "mood": "good"}
    with get_client(sync_client=True) as client:
        refused = client.resume_flow_run(run, run_input={"reason": "It is well."})
        client.resume_flow_run(run, run_input=odd)
    again = executed(run)
    long = said(run, "ann", reason="x" * 3_000)

    [first, second] = Ledger().entries("flights", Kind.ANSWER)
    assert "'decision' is a required property" in str(refused.details)
    assert (again.state_name, long.state_name) == ("Suspended", "Suspended")
    assert (first.actor, first.reason) == ("ann", "It is well.")
    assert "The field diagnosis ('ill') does not fit" in _why(first)
    assert "The field mood" in _why(first)
    assert json.loads(str(first.payload["handed_over"])) == odd
    assert _why(second) == "A reason has at most 2,000 characters; this one has 3,000."
    assert len(second.reason) == 2_000
    assert second.payload["shortened"] == {"reason": hashlib.sha256(b"x" * 3_000).hexdigest()}


def test_of_two_reviewers_at_once_one_decides(home: Path) -> None:
    """The other one reads that the run is not suspended any more."""
    run = asked(evidence())
    waits = pending(run)

    def decide(name: str) -> str:
        try:
            submit(waits, Answer(approve=name == "ann", reason="It is so.", reviewer=name))
        except ConfigError as error:
            return str(error)
        return "taken"

    with ThreadPoolExecutor(2) as people:
        # Prefect's settings belong to the context, which a thread does not have by itself.
        said_to = [people.submit(copy_context().run, decide, name) for name in ("ann", "bob")]
    told = [each.result() for each in said_to]
    executed(run)

    assert sorted(each == "taken" for each in told) == [False, True]
    [review] = Ledger().entries("flights", Kind.REVIEW)
    assert review.actor == ("ann" if told[0] == "taken" else "bob")


def test_a_batch_is_decided_on_until_a_newer_one_of_its_window_has_come(home: Path) -> None:
    """Then the decision is void: what was shown is not what would be let in."""
    first, newer = batch(finding()), batch(finding("another")).model_copy(update={"digest": "n"})
    seen = evidence_for_batch.fn(first)
    record_batch.fn(first)
    before = outdated(seen)

    run = asked(seen)
    record_batch.fn(newer)
    done = said(run, "ann")

    assert before == ""
    assert done.state_name == "Void"
    [review] = Ledger().entries("flights", Kind.REVIEW)
    assert review.reason == "A newer batch of 2013-04 has come since. It is well."


def test_a_candidate_is_decided_on_until_another_champion_is_in_charge(home: Path) -> None:
    """It was compared with version 1; beside version 3 nobody has seen it."""
    seen = evidence_for_candidate.fn(candidate(2), bento(2), comparison(), Ask(why="why"))
    crowned(1, candidate(2).as_of, reason="first", actor="gate")
    run = asked(seen, author_may_approve=True)  # its commit is no commit of any repository
    before = outdated(seen)

    crowned(3, candidate(2).as_of, reason="second", actor="gate")
    done = said(run, "ann")

    assert before == ""
    assert done.state_name == "Void"
    [review] = Ledger().entries("flights", Kind.REVIEW)
    assert review.payload["approved"] is False
    assert review.reason.startswith("Version 3 is in charge now; what was shown is of 1.")


def test_git_says_who_wrote_what_is_new(tmp_path: Path) -> None:
    """In the model's folder alone, with those who wrote it together; where git is not, nobody."""
    folder = repository(tmp_path)
    trainer, readme = folder / "model" / "trainer.py", folder / "README.md"
    first = committed(folder, trainer, "one")
    nothing = authors_between(first, committed(folder, readme, "two"), ["model"], folder)
    last = committed(folder, trainer, "three\n\nCo-authored-by: Eve <eve@example.org>")

    assert nothing == ()
    assert authors_between(first, f"{last}+dirty", ["model"], folder) == (
        "Eve <eve@example.org>",
        "ann <ann@example.org>",
    )
    assert authors_between(None, first, ["model"], folder) == ("ann <ann@example.org>",)
    assert authors_between("c" * 40, last, ["model"], folder) is None
    assert authors_between(first, "none", ["model"], folder) is None
