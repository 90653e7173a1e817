"""A ledger of one model's months, made up: windows, trainings, reviews, batches and alerts."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count

from pydantic import JsonValue

from infra.entries import Entry, Kind, Recorded
from tasks.references import Action, Cause
from tests.support.subjects import bento, candidate, comparison

MODEL = "flights"


class Chronicle:
    """Records one after the other, each under the logical time that it is given."""

    def __init__(self, model: str = MODEL) -> None:
        self.model = model
        self.records: list[Recorded] = []
        self._number = count()

    def add(
        self,
        kind: Kind,
        as_of: datetime,
        payload: Mapping[str, JsonValue],
        reason: str = "",
        evidence: str = "",
        actor: str = "perennial",
    ) -> Recorded:
        """One record."""
        entry = Entry(
            kind=kind, model=self.model, as_of=as_of, subject="s", actor=actor, evidence=evidence,
            reason=reason, payload=dict(payload), key=f"{next(self._number)}",
        )  # fmt: skip
        newest = self.records[-1] if self.records else None
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=len(self.records))
        self.records.append(Recorded.sealed(entry, newest, at))
        return self.records[-1]

    def judged(
        self,
        window: str,
        as_of: datetime,
        action: Action = Action.REST,
        psi: Mapping[str, float] | None = None,
        metrics: Mapping[str, float] | None = None,
        **more: JsonValue,
    ) -> Recorded:
        """A window that was judged; what asks for something has a cause; `more` comes on top."""
        numbers = {"roc_auc": 0.71, "expected_roc_auc": 0.72, "severity": 0.1, "unlabelled": 0.02}
        cause: JsonValue = {
            "kind": "performance",
            "action": action.value,
            "weight": 0.4,
            "sentence": "It fell <b>short</b>.",
            "rows": 9,
            "windows": [window],
        }
        return self.add(
            Kind.DRIFT,
            as_of,
            {
                "model": self.model,
                "window": window,
                "as_of": as_of.isoformat(),
                "action": action.value,
                "causes": [cause],
                "unjudged": [],
                "drift": dict(psi if psi is not None else {"hour": 0.31, "dest": 0.02}),
                "metrics": dict(numbers if metrics is None else metrics),
                "champion": 1,
                "rows": 28_135,
                "data_version": "",
                "turned_down": None,
                "digest": "d",
                "conclusion": {"action": action.value, "why": [], "kinds": [], "version": None},
                **more,
            },
        )

    def gate(
        self,
        version: int,
        as_of: datetime,
        verdict: str,
        evidence: str,
        *,
        gpu_hours: float = 0.0,
        cause: Cause = Cause.DRIFT,
    ) -> Recorded:
        """A candidate that came before the gates."""
        payload: dict[str, JsonValue] = {
            "verdict": verdict,
            "version": version,
            "cause": cause.value,
            "gpu_hours": gpu_hours,
            "comparison": comparison().model_dump(mode="json"),
        }
        return self.add(Kind.GATE, as_of, payload, "It gained 0.02.", evidence)

    def crowned(
        self, version: int, as_of: datetime, evidence: str = "", kind: Kind = Kind.PROMOTION
    ) -> Recorded:
        """A version that was put in charge."""
        payload: dict[str, JsonValue] = {
            "candidate": candidate(version).model_dump(mode="json"),
            "bento": bento(version).model_dump(mode="json"),
        }
        return self.add(kind, as_of, payload, "It gained 0.02.", evidence, "ann")

    def asked(self, as_of: datetime, evidence: str, subject: str = "candidate") -> Recorded:
        """A question to a person."""
        payload: dict[str, JsonValue] = {
            "subject": subject,
            "uri": "",
            "run": "r",
            "name": "n",
            "deadline": (as_of + timedelta(days=3)).isoformat(),
            "default": "refuse",
        }
        return self.add(Kind.QUESTION, as_of, payload, "May it take over?", evidence)

    def answered(
        self,
        as_of: datetime,
        evidence: str,
        *,
        approved: bool,
        void: str = "",
        reason: str = "Yes.",
        subject: str = "candidate",
    ) -> Recorded:
        """An answer; with `void` one that led to nothing."""
        payload: dict[str, JsonValue] = {
            "approved": approved and not void,
            "subject": subject,
            "diagnosis": None,
            "answered": approved,
            "void": void,
            "signed": False,
        }
        return self.add(Kind.REVIEW, as_of, payload, reason, evidence, "ann")

    def batch(
        self, window: str, as_of: datetime, ending: str = "accept", findings: int = 0
    ) -> Recorded:
        """A delivery."""
        kind = {"hold": Kind.HOLD, "reject": Kind.REFUSAL}.get(ending, Kind.INGEST)
        payload: dict[str, JsonValue] = {
            "window": window,
            "ending": ending,
            "findings": findings,
        }
        return self.add(kind, as_of, payload, "Every check passed.")

    def proof(self, as_of: datetime, *, passed: bool, declared: str = "") -> Recorded:
        """A proof that the model is watched, of one kind of shift."""
        shift: JsonValue = {
            "kind": "unit",
            "size": 1.0,
            "gross": True,
            "tried": 5,
            "seen": 5 if passed else 3,
            "delay": 1 if passed else None,
            "days": None,
            "by": ["contract"],
            "followed": ["hold"],
        }
        payload: dict[str, JsonValue] = {
            "test": "continuous",
            "passed": passed,
            "declared": declared,
            "seed": 1,
            "repetitions": 5,
            "alarms_a_year": 0.25,
            "shifts": [shift],
        }
        reason = "Every shift was seen." if passed else "unit was seen in 3 of 5."
        return self.add(Kind.PROOF, as_of, payload, reason, "p" * 64)

    def alert(self, as_of: datetime, failure: str = "", occasion: str = "alert") -> Recorded:
        """A message to a channel."""
        payload: dict[str, JsonValue] = {
            "occasion": occasion,
            "channel": "team",
            "failure": failure,
        }
        return self.add(Kind.ALERT, as_of, payload)


def month(number: int) -> datetime:
    """The first of a month, counted from January 2013 as 0, at six in the morning."""
    return datetime(2013 + number // 12, number % 12 + 1, 1, 6, tzinfo=UTC)


def name_of(number: int) -> str:
    """The window of that month."""
    return f"{month(number):%Y-%m}"


def year() -> Chronicle:
    """Six months: a first champion, one that a person let in, one refused, a void answer."""
    told = Chronicle()
    for number in range(6):
        told.batch(name_of(number), month(number + 1), "hold" if number == 3 else "accept")
    told.gate(1, month(1), "promote", "e1")
    told.crowned(1, month(1), "e1")
    for number, action in enumerate((Action.REST, Action.RETRAIN, Action.ALERT, Action.ASK), 1):
        told.judged(name_of(number), month(number + 1), action)
    told.gate(2, month(3), "ask", "e2")
    told.asked(month(3), "e2")
    told.answered(month(3), "e2", approved=True)
    told.crowned(2, month(3), "e2")
    told.gate(3, month(4), "refuse", "e3")
    told.gate(4, month(5), "ask", "e4")
    told.asked(month(5), "e4")
    told.answered(month(5), "e4", approved=True, void="Version 2 is in charge now.")
    return told
