"""What the ledger says in numbers, kept up to date: each of its records is read once."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import product
from typing import Final

from pydantic import ValidationError

from deployments.pages.story import Judged, Outcome, Proved, answered, judged_of, proved_of
from infra.entries import Kind, Recorded
from infra.errors import PerennialError
from infra.ledger import Ledger
from tasks.governance.events import is_waiting
from tasks.governance.notices import Occasion
from tasks.governance.policy_spec import WEEK
from tasks.governance.recording import conclusion_of
from tasks.governance.spending import TRIGGERED
from tasks.governance.trainings import FOR_VERDICTS
from tasks.references import Action, Cause, Champion, Ending, Subject
from tasks.registry.crownings import champion_of
from tasks.windows import EVERYTHING, end_day, first_day

_AT_ONCE: Final = 500

Order = tuple[datetime, int]
"""Logical time, then place in the chain: what counts as newer."""


@dataclass(frozen=True)
class Question:
    """A review that nobody has answered."""

    subject: str
    since: datetime
    deadline: datetime


def _zeros() -> Counter[tuple[str, ...]]:
    """Counters begin at zero, and not with their first one: what they rose by is seen then too."""
    known = {
        "perennial_batches_total": tuple(each.value for each in Ending),
        "perennial_verdicts_total": tuple(each.value for each in Action),
        "perennial_answers_total": ("approved", "refused"),
    }
    labelled = ((name, word) for name, words in known.items() for word in words)
    causes = [each.value for each in Cause]
    reviews = product(("perennial_reviews_total",), map(str, Subject), map(str, Outcome))
    plain = ("rollbacks", "repackagings", "events")
    told = [
        *product(("perennial_alerts_total",), map(str, Occasion), ("sent", "failed")),
        *product(("perennial_trainings_total",), causes, ("promote", "ask", "refuse")),
        *product(("perennial_promotions_total",), causes),
        *(each for each in reviews if each[2] not in {Outcome.WAITING, Outcome.PROMOTED}),
    ]
    unlabelled = ((f"perennial_{each}_total",) for each in plain)
    return Counter(dict.fromkeys([*unlabelled, *labelled, *told], 0))


@dataclass
class Standing:
    """What is known of one model by now."""

    counts: Counter[tuple[str, ...]] = field(default_factory=_zeros)
    """Name of a counter and values of its labels behind the model, to how many."""
    champion: Champion | None = None
    since: datetime | None = None
    """When the champion was put in charge, by the clock."""
    learned: datetime | None = None
    """End of the newest window that the champion learned from."""
    crowned: Order | None = None
    judged: Judged | None = None
    verdict: Order | None = None
    begun: set[datetime] = field(default_factory=set)
    """The times of the verdicts that started a training, by themselves or through a person."""
    gpu_hours: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys([each.value for each in Cause], 0.0)
    )
    """Of the trainings so far, by their cause."""
    spent: dict[datetime, float] = field(default_factory=dict)
    """GPU hours of trainings for verdicts, by the time that they were trained for."""
    triggered: dict[datetime, float] = field(default_factory=dict)
    """Likewise of those that a trigger began."""
    data_end: datetime | None = None
    findings: tuple[Order, int] | None = None
    """Of the newest delivery."""
    held: set[str] = field(default_factory=set)
    open: dict[str, Question] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    proved: Proved | None = None
    unreadable: int = 0

    def used(self) -> dict[str, float]:
        """What the policy counts against the budget, in the seven days up to the last verdict."""
        if self.judged is None:
            return {}
        last = self.judged.as_of
        took = [
            *((each, self.spent.get(each, 0.0)) for each in self.begun),
            *self.triggered.items(),
        ]
        within = [hours for each, hours in took if timedelta(0) <= last - each < WEEK]
        return {"retrains": len(within), "gpu_hours": sum(within)}


class Tally:
    """Follows the ledger, for one thread at a time: a look costs as much as what has come since."""

    def __init__(self) -> None:
        self.place = 0
        self.models: dict[str, Standing] = {}

    def follow(self) -> None:
        """Take in what has come since.

        Raises:
            BackendError: the database does not answer; what was counted before stays.
            IntegrityError: a record cannot be read at all.
        """
        while records := Ledger().after(self.place, _AT_ONCE):
            for each in records:
                self.count(each)

    def count(self, record: Recorded) -> None:
        """Take a record in; one that says what nobody expects is left out, and counted as such."""
        standing = self.models.setdefault(record.model, Standing())
        try:
            _RULES.get(record.kind, _nothing)(standing, record)
        except (PerennialError, ValidationError, KeyError, ValueError):
            standing.unreadable += 1
        self.place = record.id


def _nothing(_standing: Standing, _record: Recorded) -> None:
    """A kind of record that no number is made of."""


def _batch(standing: Standing, record: Recorded) -> None:
    window, ending = str(record.payload["window"]), Ending(str(record.payload["ending"]))
    end = end_of(window)
    standing.counts["perennial_batches_total", ending.value] += 1
    order = (record.as_of, record.id)
    if "findings" in record.payload and (not standing.findings or order > standing.findings[0]):
        standing.findings = order, int(str(record.payload["findings"]))
    if record.kind is not Kind.INGEST:
        standing.held.add(window)
        return
    standing.held.discard(window)
    if end is not None:
        standing.data_end = max(end, standing.data_end or end)


def _crowned(standing: Standing, record: Recorded) -> None:
    champion = champion_of(record)
    learned = learned_until(champion)
    if record.kind is Kind.ROLLBACK:
        standing.counts[("perennial_rollbacks_total",)] += 1
    else:
        standing.counts["perennial_promotions_total", champion.candidate.cause.value] += 1
    order = (record.as_of, record.id)
    if standing.crowned is None or order > standing.crowned:
        standing.champion, standing.crowned, standing.learned = champion, order, learned
        standing.since = record.at


def _drift(standing: Standing, record: Recorded) -> None:
    action = conclusion_of(record).action
    standing.counts["perennial_verdicts_total", action.value] += 1
    if action is Action.RETRAIN:
        standing.begun.add(record.as_of)
    order = (record.as_of, record.id)
    if standing.verdict is None or order > standing.verdict:
        standing.judged, standing.verdict = judged_of(record), order


def _gate(standing: Standing, record: Recorded) -> None:
    cause = str(record.payload.get("cause", "unknown"))
    standing.counts["perennial_trainings_total", cause, str(record.payload["verdict"])] += 1
    hours = float(str(record.payload.get("gpu_hours", 0.0)))
    standing.gpu_hours[cause] = standing.gpu_hours.get(cause, 0.0) + hours
    if cause in FOR_VERDICTS:
        standing.spent[record.as_of] = hours
    elif cause in TRIGGERED:
        standing.triggered[record.as_of] = hours


def _question(standing: Standing, record: Recorded) -> None:
    if record.evidence not in standing.answered:
        standing.open[record.evidence] = Question(
            subject=str(record.payload["subject"]),
            since=record.at,
            deadline=datetime.fromisoformat(str(record.payload["deadline"])),
        )


def _review(standing: Standing, record: Recorded) -> None:
    standing.answered.add(record.evidence)
    standing.open.pop(record.evidence, None)
    said = (str(record.payload["subject"]), answered(record).value)
    standing.counts["perennial_reviews_total", *said] += 1
    if said == (Subject.DRIFT, "approved"):
        standing.begun.add(record.as_of)


def _alert(standing: Standing, record: Recorded) -> None:
    outcome = "failed" if record.payload["failure"] else "sent"
    standing.counts["perennial_alerts_total", str(record.payload["occasion"]), outcome] += 1


def _answer(standing: Standing, record: Recorded) -> None:
    outcome = "approved" if record.payload["counts"] else "refused"
    standing.counts["perennial_answers_total", outcome] += 1


def _repackaged(standing: Standing, _record: Recorded) -> None:
    standing.counts[("perennial_repackagings_total",)] += 1


def _event(standing: Standing, record: Recorded) -> None:
    if not is_waiting(record):  # what becomes of it is a record of its own
        standing.counts[("perennial_events_total",)] += 1


def _proof(standing: Standing, record: Recorded) -> None:
    proved = proved_of(record)
    if standing.proved is None or proved.as_of >= standing.proved.as_of:
        standing.proved = proved


_RULES: Final[Mapping[Kind, Callable[[Standing, Recorded], None]]] = {
    Kind.INGEST: _batch,
    Kind.HOLD: _batch,
    Kind.REFUSAL: _batch,
    Kind.PROMOTION: _crowned,
    Kind.ROLLBACK: _crowned,
    Kind.DRIFT: _drift,
    Kind.GATE: _gate,
    Kind.QUESTION: _question,
    Kind.REVIEW: _review,
    Kind.ALERT: _alert,
    Kind.ANSWER: _answer,
    Kind.REPACKAGE: _repackaged,
    Kind.EVENT: _event,
    Kind.PROOF: _proof,
}


def end_of(window: str) -> datetime | None:
    """When a window is over, by UTC; None for a table without time.

    Raises:
        ConfigError: it is no window.
    """
    return None if window == EVERYTHING else datetime.combine(end_day(window), time(), UTC)


def learned_until(champion: Champion) -> datetime | None:
    """When the newest window is over that a champion learned from."""
    newest = max(champion.candidate.fitted.split.train, key=first_day, default=EVERYTHING)
    return end_of(newest)
