"""Ask a person from inside the review flow, until an answer counts or the deadline has passed.

A suspended run starts again from the top when it is resumed, so every line here may run many
times: the question is recorded once, each try has a gate of its own key, and an answer that was
given is read from where Prefect keeps it.
"""

from datetime import datetime
from itertools import count

from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run
from prefect.input import keyset_from_base_key, read_flow_run_input
from pydantic import ValidationError

from infra.errors import ConfigError
from infra.ledger import Entry, Kind, Ledger, Recorded
from tasks.governance.answering import record_answer
from tasks.governance.answers import Answer, default_answer, form, suggested
from tasks.governance.objections import objections
from tasks.governance.pages import escaped
from tasks.governance.recording import decided
from tasks.governance.spec import ApprovalSpec
from tasks.references import Evidence


def ask(evidence: Evidence, approval: ApprovalSpec) -> tuple[Answer, ...]:
    """The answers that count, the one that decides last, behind the approvals that came before.

    It is a person's, or the declared default once the deadline has passed. Suspends the flow run
    that calls it. Evidence that was decided on is not asked about again.

    Raises:
        ConfigError: it was called outside a flow run.
        BackendError: the database is gone.
    """
    earlier = decided(evidence.digest)
    if earlier is not None:
        return (
            Answer(
                approve=earlier.approved,
                diagnosis=earlier.diagnosis,
                reason=earlier.reason,
                reviewer=earlier.actor,
            ),
        )
    run = _this_run()
    question = _recorded(evidence, approval, run)
    deadline = datetime.fromisoformat(str(question.payload["deadline"]))
    said: tuple[Answer, ...] = ()
    why: tuple[str, ...] = ()
    for attempt in count(1):
        key = gate_key(evidence.digest, attempt)
        answer = _given(evidence, key)
        if answer is None:
            left_s = (deadline - Ledger().now()).total_seconds()
            if left_s < 1:
                break
            text = _text(evidence, why, _more(said, approval), deadline)
            answer = _suspended(evidence, text, key, int(left_s))
        why = objections(answer, approval, evidence, [each.reviewer for each in said])
        said = said if why else (*said, answer)
        if not why and (not answer.approve or len(said) >= approval.approvals):
            return said
        record_answer(evidence, answer, why, f"{run.id}:{attempt}")
    default, until = str(question.payload["default"]), deadline.isoformat(" ", "minutes")
    return (*said, default_answer(default, until, _more(said, approval)))


def gate_key(digest: str, attempt: int) -> str:
    """Prefect's key of one try: each gate its own, or an earlier answer would count again."""
    return f"{digest[:12]}-{attempt}"


def _this_run() -> FlowRun:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise ConfigError("A question is asked from inside a flow run.", hint="Start `review`.")
    return context.flow_run


def _recorded(evidence: Evidence, approval: ApprovalSpec, run: FlowRun) -> Recorded:
    """The question in the ledger; its deadline counts from when it was first asked, and stays.

    By the database's clock: a worker whose own is wrong would let a deadline pass.
    """
    ledger, key = Ledger(), f"{Kind.QUESTION}:{evidence.digest}:{run.id}"
    earlier = ledger.find(key)
    if earlier is not None:
        return earlier
    deadline = ledger.now() + approval.deadline
    return ledger.append(
        Entry(
            kind=Kind.QUESTION,
            model=evidence.model,
            as_of=evidence.as_of,
            subject=evidence.digest,
            evidence=evidence.digest,
            reason=evidence.title,
            payload={
                "subject": evidence.subject.value,
                "uri": evidence.uri,
                "run": str(run.id),
                "name": run.name,
                "deadline": deadline.isoformat(),
                "default": approval.default,
            },
            key=key,
        )
    )


def _given(evidence: Evidence, key: str) -> Answer | None:
    """What was submitted at a gate, if anything was."""
    response = keyset_from_base_key(f"suspended-{key}")["response"]
    value = read_flow_run_input(response, flow_run_id=_this_run().id)
    if value is None:
        return None
    try:
        return form(evidence.subject).model_validate(value)
    except ValidationError:
        return Answer()  # it does not count, and is asked for again


def _suspended(evidence: Evidence, description: str, key: str, timeout_s: int) -> Answer:
    guess = suggested(evidence)
    given = {} if guess is None else {"diagnosis": guess}
    shown = form(evidence.subject).with_initial_data(description=description, **given)
    answer: Answer = suspend_flow_run(wait_for_input=shown, timeout=timeout_s, key=key)
    return answer


def _text(evidence: Evidence, why: tuple[str, ...], more: str, deadline: datetime) -> str:
    """What stands above the fields of the form."""
    again = f"**Your answer did not count.** {escaped(' '.join(why), 600)}\n\n" if why else ""
    so_far = f"**{escaped(more, 600)}**\n\n" if more else ""
    until = f"\n\nDecide by {deadline.isoformat(' ', 'minutes')}."
    return f"{again}{so_far}{evidence.markdown}{_asked(evidence)}{until}"


def _more(said: tuple[Answer, ...], approval: ApprovalSpec) -> str:
    """Who has approved, and how many must; empty where one is enough."""
    if approval.approvals == 1:
        return ""
    names = " and ".join(each.reviewer.strip() for each in said) or "nobody"
    return f"{len(said)} of {approval.approvals} people have approved: {names}."


def _asked(evidence: Evidence) -> str:
    guess = suggested(evidence)
    if guess is None:
        return ""
    return (
        "\n\n**What is it?** `world`: the world has changed, and the model is trained again. "
        "`broken`: the model or a feed is broken; people are told, and nothing is trained. "
        f"`expected`: nothing is done. The heaviest cause speaks for `{guess.value}`."
    )
