"""Ask a person from inside the review flow, until an answer counts or the deadline has passed.

A suspended run starts again from the top when it is resumed, so every line here may run many
times: the question is recorded once, each try has a gate of its own key, and an answer that was
given is read from where Prefect keeps it.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, NamedTuple

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run
from prefect.logging import get_run_logger
from pydantic import ValidationError

from infra.entries import canonical, storable
from infra.errors import ConfigError
from infra.ledger import Entry, Kind, Ledger, Recorded
from tasks.governance.answering import record_answer
from tasks.governance.answers import Answer, default_answer, form, form_about, suggested
from tasks.governance.gates import gate_key, response_key
from tasks.governance.objections import barred, keys_of, objections
from tasks.governance.pages import escaped
from tasks.governance.recording import decided
from tasks.governance.rules import Rules, kept, rules_for
from tasks.governance.spec import ApprovalSpec
from tasks.references import Evidence, Subject

_DEFAULTS: Final = {"refuse": "refused", "approve": "approved"}
_MOST_FAULTS: Final = 3
_LONGEST_VALUE: Final = 80


def ask(evidence: Evidence, approval: ApprovalSpec) -> tuple[Answer, ...]:
    """The answers that count, the one that decides last, behind the approvals that came before.

    It is a person's, or the declared default once the deadline has passed: an answer that came in
    time counts however late the run goes on, one that came after it does not. Suspends the flow
    run that calls it. Evidence that was decided on is not asked about again.

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
    rules = rules_for(evidence.model, evidence.digest, approval)
    deadline = datetime.fromisoformat(str(question.payload["deadline"]))
    default = str(question.payload["default"])
    until = _Until(deadline, default, _overruled(rules, evidence))
    said: tuple[Answer, ...] = ()
    why: tuple[str, ...] = ()
    lapsed: tuple[str, ...] = ()
    for attempt in count(1):
        key = gate_key(evidence.digest, attempt)
        heard = _given(evidence, key)
        if heard is None:
            left_s = (deadline - Ledger().now()).total_seconds()
            if left_s < 1:
                break
            if why:
                get_run_logger().warning("The answer did not count. %s", " ".join(why))
            text = _text(evidence, rules, said, until, _again(why, lapsed))
            heard = _Heard(_suspended(evidence, text, key, int(left_s)))
        answer = heard.answer
        why = heard.wrong or _too_late(heard, deadline)
        why = why or objections(answer, rules, evidence, keys_of(said))
        said = said if why else (*said, answer)
        if not why and (not answer.approve or len(said) >= rules.approval.approvals):
            return said
        known = record_answer(evidence, answer, why, f"{run.id}:{attempt}", heard.handed_over)
        if why and known.payload["counts"]:
            lapsed, why = (*lapsed, f"{answer.reviewer.strip()}: {' '.join(why)}"), ()
    return (*said, until.answer(_more(said, rules.approval)))


class _Until(NamedTuple):
    """When the default counts, which is asked for, and why nobody may approve where it would."""

    deadline: datetime
    asked: str
    overruled: str = ""

    @property
    def default(self) -> str:
        """What counts: the default cannot approve what nobody may."""
        return "refuse" if self.overruled else self.asked

    def answer(self, so_far: str) -> Answer:
        """What counts at the deadline."""
        return default_answer(self.default, _minute(self.deadline), so_far, self.overruled)

    def words(self) -> str:
        """What the form says of it."""
        by = f"Decide by {self.deadline:%Y-%m-%d %H:%M} UTC, or it is {_DEFAULTS[self.default]}"
        return f"{by}{', for nobody may approve it' if self.overruled else ''}."


def _overruled(rules: Rules, evidence: Evidence) -> str:
    """Why the declared default does not count: it would approve what nobody may; else empty."""
    return " ".join(barred(rules, evidence)) if rules.approval.default == "approve" else ""


class _Heard(NamedTuple):
    """What was handed over at a gate, and when; what is wrong with it where it is no answer."""

    answer: Answer
    wrong: tuple[str, ...] = ()
    handed_over: str = ""
    at: datetime | None = None


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
                "default": "refuse" if barred(Rules(approval), evidence) else approval.default,
                **kept(evidence.model, approval),
            },
            key=key,
        )
    )


def _given(evidence: Evidence, gate: str) -> _Heard | None:
    """What was submitted at a gate, if anything was, and when Prefect's server took it."""
    key = response_key(gate)
    with get_client(sync_client=True) as client:
        run = _this_run().id
        inputs = client.filter_flow_run_input(run, key_prefix=key, limit=1, exclude_keys=set())
    given = next((each for each in inputs if each.key == key), None)
    if given is None:
        return None
    value: Any = json.loads(given.value)
    try:
        return _Heard(form(evidence.subject).model_validate(value), at=given.created)
    except ValidationError as error:
        wrong, whole = _of_the_form(error), canonical(storable(value))
        return _Heard(_partly(value), wrong, whole, given.created)


def _too_late(heard: _Heard, deadline: datetime) -> tuple[str, ...]:
    if heard.at is None or heard.at < deadline:
        return ()
    return (f"It came at {_minute(heard.at)}, after the deadline of {_minute(deadline)}.",)


def _partly(value: Mapping[str, object]) -> Answer:
    """Who said what, as far as it was told."""
    reviewer, reason = (value.get(name) for name in ("reviewer", "reason"))
    return Answer(
        reviewer=reviewer if isinstance(reviewer, str) else "",
        reason=reason if isinstance(reason, str) else "",
    )


def _of_the_form(error: ValidationError) -> tuple[str, ...]:
    """Which fields were wrong, as sentences for the one who handed them over."""
    found = []
    for each in error.errors(include_url=False)[:_MOST_FAULTS]:
        field = ".".join(map(str, each["loc"])) or "answer"
        given = "" if field == "answer" else f" ({str(each['input'])[:_LONGEST_VALUE]!r})"
        found.append(f"The field {field}{given} does not fit: {each['msg']}.")
    return tuple(found)


def _suspended(evidence: Evidence, description: str, key: str, timeout_s: int) -> Answer:
    shown = form_about(evidence, description)
    answer: Answer = suspend_flow_run(wait_for_input=shown, timeout=timeout_s, key=key)
    return answer


def _again(why: tuple[str, ...], lapsed: tuple[str, ...]) -> str:
    """What the form says first, where it is shown again: whose answer does not count, and why."""
    said = []
    if why:
        said.append(f"**Your answer did not count.** {escaped(' '.join(why), 600)}")
    if lapsed:
        said.append(f"**An approval counts no more.** {escaped(' '.join(lapsed), 600)}")
    return "".join(f"{each}\n\n" for each in said)


def _text(
    evidence: Evidence, rules: Rules, said: tuple[Answer, ...], until: _Until, again: str
) -> str:
    """What stands above the fields of the form: the question and its deadline come first."""
    more = _more(said, rules.approval)
    so_far = f" {escaped(more, 600)}" if more else ""
    guess = suggested(evidence)
    speaks = f" Suggested: `{guess.value}`." if guess else ""
    title, _, rest = evidence.markdown.partition("\n\n")
    who = _who(rules.approval, evidence)
    return f"{again}{title}\n\n**{until.words()}**{so_far}{speaks}\n\n{who}{rest}"


def _who(approval: ApprovalSpec, evidence: Evidence) -> str:
    """Whose answer counts, and how it is given; nothing where anybody may say it on the form."""
    people = escaped(f"Reviewers: {', '.join(approval.reviewers)}.", 600)
    says = "--diagnosis WHAT" if evidence.subject is Subject.DRIFT else "--approve"
    command = f"perennial review {evidence.model} {says} --reason WHY --reviewer NAME --sign KEY"
    signed = f"**Only a signed decision counts, none from this form:** `{command}`"
    parts = [signed] * approval.signed + [people] * bool(approval.reviewers)
    return "".join(f"{each}\n\n" for each in parts)


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(" ", "minutes")


def _more(said: tuple[Answer, ...], approval: ApprovalSpec) -> str:
    """Who has approved, and how many must; empty where one is enough."""
    if approval.approvals == 1:
        return ""
    if not said:
        return f"It takes {approval.approvals} people to approve; nobody has so far."
    names = " and ".join(each.reviewer.strip() for each in said)
    has = "has" if len(said) == 1 else "have"
    return f"{len(said)} of {approval.approvals} people {has} approved: {names}."
