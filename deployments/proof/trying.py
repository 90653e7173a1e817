"""One shadow: calm windows, then every kind of shift at every size, each from the same day on."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from deployments.proof.contracted import contracted
from deployments.proof.faults import Faults, Target
from deployments.proof.ground import Deal, deal
from deployments.proof.result import Injection
from deployments.proof.streams import Stream, gravest, loud
from deployments.proof.worlds import hits, shifted
from deployments.shadow.champion import Shadow, train_shadow
from tasks.references import Action
from tasks.verification.spec import ContinuousSpec, ShiftKind
from tasks.windows import end_day, first_day


@dataclass(frozen=True)
class Tried:
    """What one shadow showed.

    Attributes:
        calm: windows without a shift that were judged.
        alarms: those that alarmed, each with its reason.
        retrains: those that led to a training.
        injections: what came of each shift.
        left_out: kinds that this model has nothing for, with why.
    """

    calm: int
    alarms: tuple[str, ...]
    retrains: int
    injections: tuple[Injection, ...]
    left_out: dict[ShiftKind, str]


@dataclass
class Trial:
    """A champion of dealt windows, and the faults that its feed can have.

    Attributes:
        faults: of its feed.
        number: of the repetition, from 1.
        dealt: the windows.
        shadow: the champion.
    """

    faults: Faults
    number: int
    dealt: Deal
    shadow: Shadow

    @property
    def wanted(self) -> ContinuousSpec:
        """What is declared."""
        return self.shadow.spec.verify.continuous

    def shifts(self) -> Iterator[Injection]:
        """What came of each kind at each size, small to gross."""
        for kind, sizes in self.wanted.kinds.items():
            if kind in self.left_out:
                continue
            for size in sizes:
                draft = Injection(
                    kind=kind,
                    size=size,
                    gross=size == sizes[-1],
                    repetition=self.number,
                    where=str(self.targets.get(kind) or self._hits(kind)),
                    window=self.dealt.watched()[0],
                )
                yield self._tried(draft)

    @cached_property
    def targets(self) -> dict[ShiftKind, Target]:
        """What each fault of the feed hits: another column in each shadow."""
        importances = self.shadow.champion.candidate.evaluation.importances
        found = {
            kind: self.faults.targets(kind, importances)
            for kind in self.wanted.kinds
            if kind.of_feed
        }
        return {
            kind: those[(self.number - 1) % len(those)] for kind, those in found.items() if those
        }

    @cached_property
    def left_out(self) -> dict[ShiftKind, str]:
        """The kinds that there is nothing for, each with why."""
        told = {}
        for kind in self.wanted.kinds:
            if kind.of_feed and kind not in self.targets:
                told[kind] = "no column of its tables can have it"
            elif not kind.of_feed and not self._hits(kind):
                told[kind] = "the model has no numeric feature"
        return told

    def _hits(self, kind: ShiftKind) -> str:
        return hits(kind, self.faults.ground, self.shadow)

    def _tried(self, draft: Injection) -> Injection:
        """Who sees a shift: the contract where it is one of the feed, and the monitor behind it."""
        target = self.targets.get(draft.kind)
        found = draft if target is None else contracted(draft, self.faults, target)
        seen = self._watched(draft, stopped=bool(found.by))
        if found.by:
            second = {"monitor": seen.monitor, "causes": seen.causes, "actions": seen.actions}
            return found.model_copy(update=second)
        found = seen.model_copy(update={"contract": found.contract})
        if found.by or found.monitor is None:
            return found
        label = self.shadow.spec.data.label.delay.total_seconds() / 86_400
        days = self._days(found.monitor) + label
        return found.model_copy(update={"by": "monitor", "delay": found.monitor, "days": days})

    def _watched(self, draft: Injection, *, stopped: bool) -> Injection:
        """What the monitor says, had nobody stopped it: from the first watched window on.

        A fault that was let in goes on for all of them: a training must not follow later either.
        """
        lasting = draft.kind.of_feed and not stopped
        patient = lasting or (draft.gross and draft.kind in self.wanted.retrains)
        stream, actions, first = Stream(self.shadow, self.dealt), [], dict[str, object]()
        for place, window in enumerate(self.dealt.watched()[: self.wanted.windows], start=1):
            rows = self._rows(draft, window)
            if isinstance(rows, str):
                refused = {"by": "builder", "delay": 1, "days": self._days(1), "says": rows}
                return draft.model_copy(update={**refused, "followed": "failed"})
            verdict, conclusion = stream.comes(window, rows)
            actions.append(conclusion.action)
            if loud(conclusion) and not first:
                first = {
                    "monitor": place,
                    "causes": gravest(verdict),
                    "says": verdict.reasons[0],
                    "followed": conclusion.action.value,
                }
            if conclusion.action is Action.RETRAIN:
                first["followed"] = conclusion.action.value
                break
            if stopped or (first and not patient):
                break
        return draft.model_copy(update={**first, "actions": tuple(actions)})

    def _rows(self, draft: Injection, window: str) -> pd.DataFrame | str:
        target, ground = self.targets.get(draft.kind), self.faults.ground
        if target is not None:
            places = self.dealt.places[window]
            return self.faults.features(draft.kind, target, places, draft.size)
        seed = self.wanted.seed + self.number
        rows = self.dealt.rows(window)
        return shifted(draft.kind, draft.size, rows, ground, self.shadow, seed)

    def _days(self, windows: int) -> float:
        """From the beginning of the first watched window until the end of another one."""
        names = self.dealt.watched()
        return float((end_day(names[windows - 1]) - first_day(names[0])).days)


def prepared(faults: Faults, number: int) -> Trial:
    """A shadow with a champion of its own.

    Args:
        faults: of its feed.
        number: of the repetition, from 1; rows are dealt by it.
    """
    ground = faults.ground
    dealt = deal(ground, ground.spec.verify.continuous.seed + number)
    rows = dealt.learned()
    shadow = train_shadow(ground.spec, rows, ground.feed.known_at(list(rows)[-1]), number)
    return Trial(faults, number, dealt, shadow)


def tried(faults: Faults, number: int) -> Tried:
    """What one shadow shows: nothing in windows without a shift, and each shift as soon as it can.

    Args:
        faults: of the model's feed.
        number: of the repetition, from 1.
    """
    trial = prepared(faults, number)
    stream, alarms, retrains = Stream(trial.shadow, trial.dealt), [], 0
    for window in trial.dealt.watched():
        verdict, conclusion = stream.comes(window, trial.dealt.rows(window))
        if loud(conclusion):
            alarms.append(f"shadow {number}, {window}: {conclusion.action}: {verdict.reasons[0]}")
            retrains += conclusion.action is Action.RETRAIN
    return Tried(
        calm=len(trial.dealt.watched()),
        alarms=tuple(alarms),
        retrains=retrains,
        injections=tuple(trial.shifts()),
        left_out=trial.left_out,
    )
