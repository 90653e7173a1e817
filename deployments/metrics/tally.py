"""What the ledger says in numbers, kept up to date: each of its records is read once."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Final

from pydantic import ValidationError

from deployments.pages.story import Judged, Proved, answered, judged_of, proved_of
from infra.entries import Kind, Recorded
from infra.errors import PerennialError
from infra.ledger import Ledger
from tasks.governance.events import is_waiting
from tasks.governance.recording import conclusion_of
from tasks.references import Action, Champion, Ending
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
        "perennial_alerts_total": ("sent", "failed"),
        "perennial_batches_total": tuple(each.value for each in Ending),
        "perennial_verdicts_total": tuple(each.value for each in Action),
        "perennial_answers_total": ("approved", "refused"),
    }
    labelled = ((name, word) for name, words in known.items() for word in words)
    plain = ("rollbacks", "repackagings", "events")
    return Counter(dict.fromkeys([*((f"perennial_{each}_total",) for each in plain), *labelled], 0))


@dataclass
class Standing:
    """What is known of one model by now."""

    counts: Counter[tuple[str, ...]] = field(default_factory=_zeros)
    """Name of a counter and values of its labels behind the model, to how many."""
    champion: Champion | None = None
    learned: datetime | None = None
    """End of the newest window that the champion learned from."""
    crowned: Order | None = None
    judged: Judged | None = None
    verdict: Order | None = None
    data_end: datetime | None = None
    held: set[str] = field(default_factory=set)
    open: dict[str, Question] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    proved: Proved | None = None
    unreadable: int = 0


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


def _drift(standing: Standing, record: Recorded) -> None:
    action = conclusion_of(record).action
    standing.counts["perennial_verdicts_total", action.value] += 1
    order = (record.as_of, record.id)
    if standing.verdict is None or order > standing.verdict:
        standing.judged, standing.verdict = judged_of(record), order


def _gate(standing: Standing, record: Recorded) -> None:
    cause = str(record.payload.get("cause", "unknown"))
    standing.counts["perennial_trainings_total", cause, str(record.payload["verdict"])] += 1


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


def _alert(standing: Standing, record: Recorded) -> None:
    outcome = "failed" if record.payload["failure"] else "sent"
    standing.counts["perennial_alerts_total", outcome] += 1


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
