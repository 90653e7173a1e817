"""One shadow: calm windows, then every kind of shift at every size, each from the same day on."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import pandas as pd

from deployments.proof.contracted import contracted
from deployments.proof.faults import Faults, Target
from deployments.proof.ground import Deal, deal
from deployments.proof.promised import broken_promise, not_promised
from deployments.proof.result import Injection
from deployments.proof.streams import DealtStream, Heard, Said
from deployments.proof.untried import without_calendar
from deployments.proof.worlds import hits, shifted
from deployments.shadow.champion import Shadow, train_shadow
from tasks.references import Action
from tasks.verification.spec import ContinuousSpec, ShiftKind
from tasks.windows import end_day, first_day

_SECOND_LINE: Final = ("monitor", "causes", "actions", "calm")
"""What is told of the monitor where the contract has stopped the fault."""

_UNREAD: Final = "no feature is made of it"


@dataclass(frozen=True)
class Tried:
    """What one shadow showed.

    Attributes:
        calm: windows without a shift that were judged.
        alarms: those that alarmed, each with its reason.
        retrains: those that led to a training.
        injections: what came of each shift.
        left_out: kinds that this model has nothing for, and columns that one does not change.
    """

    calm: int
    alarms: tuple[str, ...]
    retrains: int
    injections: tuple[Injection, ...]
    left_out: dict[str, str]


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
                    window=self.span[0],
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
    def calm(self) -> tuple[Heard, ...]:
        """The same windows without a shift: whatever is heard of them, no shift was the reason."""
        stream = DealtStream(self.shadow, self.dealt)
        return tuple(
            stream.comes(window, self.dealt.rows(window)) for window in self.dealt.watched()
        )

    @cached_property
    def span(self) -> tuple[str, ...]:
        """The windows for which a shift goes on: from the first on that is calm without it.

        What is heard of a window that alarms anyhow tells nothing of a shift. Where none is calm
        that has as many behind it as are wanted, it is the first.
        """
        watched, most = self.dealt.watched(), self.wanted.windows
        firsts = self.calm[: max(len(watched) - most, 0) + 1]
        first = next((place for place, heard in enumerate(firsts) if not heard.is_loud), 0)
        return watched[first : first + most]

    @cached_property
    def unshifted(self) -> tuple[Heard, ...]:
        """Those windows without the shift; what was before them counts for neither."""
        if self.span[0] == self.dealt.watched()[0]:
            return self.calm[: len(self.span)]
        stream = DealtStream(self.shadow, self.dealt)
        return tuple(stream.comes(window, self.dealt.rows(window)) for window in self.span)

    @cached_property
    def left_out(self) -> dict[str, str]:
        """The kinds that there is nothing for, and columns that one would not change, with why."""
        told = {}
        for kind in self.wanted.kinds:
            if why := self._nothing_for(kind):
                told[kind.value] = why
            if kind.of_feed:
                same = "it changes nothing: all values are alike, or there are none"
                told |= {f"{kind} of {each}": same for each in self.faults.unchanged(kind)}
                told |= {f"{kind} of {each}": _UNREAD for each in self.faults.unread(kind)}
        return told

    def _nothing_for(self, kind: ShiftKind) -> str:
        if kind.of_predictions:
            return not_promised(kind, self.shadow.spec.monitoring)
        if kind.of_feed:
            return (
                "" if kind in self.targets else "nothing that its features are made of can have it"
            )
        if not self._hits(kind):
            return "the model has no numeric feature"
        window, size = self.dealt.watched()[0], self.wanted.kinds[kind][-1]
        rows = self.dealt.rows(window)
        same = self._moved(kind, size, rows).equals(rows)
        return f"it changes nothing of {self._hits(kind)}" if same else ""

    def _hits(self, kind: ShiftKind) -> str:
        if kind.of_predictions:
            return "predictions"
        return hits(kind, self.faults.ground, self.shadow)

    def _tried(self, draft: Injection) -> Injection:
        """Who sees a shift: the contract where it is one of the feed, and the monitor behind it."""
        target = self.targets.get(draft.kind)
        found = draft if target is None else contracted(draft, self.faults, target)
        seen = self._watched(draft, stopped=bool(found.by))
        if found.by:
            second = {name: getattr(seen, name) for name in _SECOND_LINE}
            return found.model_copy(update=second)
        found = seen.model_copy(update={"contract": found.contract})
        if found.by or found.monitor is None:
            return found
        label = self.shadow.spec.data.label.delay.total_seconds() / 86_400
        days = self._days(found.monitor) + label
        return found.model_copy(update={"by": "monitor", "delay": found.monitor, "days": days})

    def _watched(self, draft: Injection, *, stopped: bool) -> Injection:
        """What the monitor says, had nobody stopped it, window after window.

        A fault that was let in goes on for all of them: a training must not follow later either. Of
        the predictions, whose rows are the calm ones, only the gross fault does.
        What is heard of the same window without the shift too is no detection.
        """
        lasting = draft.kind.of_feed and not stopped
        long = draft.kind.of_predictions or draft.kind in self.wanted.retrains
        patient = lasting or (draft.gross and long)
        stream, actions, first = DealtStream(self.shadow, self.dealt), [], dict[str, object]()
        both = zip(self.span, self.unshifted, strict=True)
        for place, (window, calm) in enumerate(both, start=1):
            rows = self._rows(draft, window)
            if isinstance(rows, str):
                refused = {"by": "builder", "delay": 1, "days": self._days(1), "says": rows}
                return draft.model_copy(update={**refused, "followed": "failed"})
            heard = stream.comes(window, rows, self._said(draft))
            actions.append(heard.conclusion.action)
            if heard.says_more_than(calm) and not first:
                first = {"monitor": place, **_told(heard, calm)}
            if heard.trains and not calm.trains:
                first["followed"] = Action.RETRAIN.value
                break
            if stopped or (first and not patient):
                break
        without = tuple(each.conclusion.action for each in self.unshifted[: len(actions)])
        return draft.model_copy(update={**first, "actions": tuple(actions), "calm": without})

    def _rows(self, draft: Injection, window: str) -> pd.DataFrame | str:
        target = self.targets.get(draft.kind)
        if target is not None:
            places = self.dealt.places[window]
            return self.faults.features(draft.kind, target, places, draft.size)
        rows = self.dealt.rows(window)
        return rows if draft.kind.of_predictions else self._moved(draft.kind, draft.size, rows)

    def _moved(self, kind: ShiftKind, size: float, rows: pd.DataFrame) -> pd.DataFrame:
        seed = self.wanted.seed + self.number
        return shifted(kind, size, rows, self.faults.ground, self.shadow, seed)

    def _said(self, draft: Injection) -> Said | None:
        if not draft.kind.of_predictions:
            return None
        seed, rules = self.wanted.seed + self.number, self.shadow.spec.monitoring
        return broken_promise(draft.kind, draft.size, rules, seed)

    def _days(self, windows: int) -> float:
        """From the beginning of a shift until the end of the window in which it was seen."""
        names = self.span
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
    spec = without_calendar(ground.spec)
    shadow = train_shadow(spec, rows, ground.feed.known_at(list(rows)[-1]), number)
    return Trial(faults, number, dealt, shadow)


def tried(faults: Faults, number: int) -> Tried:
    """What one shadow shows: nothing in windows without a shift, and each shift as soon as it can.

    Args:
        faults: of the model's feed.
        number: of the repetition, from 1.
    """
    trial = prepared(faults, number)
    alarms = tuple(
        f"shadow {number}, {window}: {heard.conclusion.action}: {heard.verdict.reasons[0]}"
        for window, heard in zip(trial.dealt.watched(), trial.calm, strict=True)
        if heard.is_loud
    )
    return Tried(
        calm=len(trial.calm),
        alarms=alarms,
        retrains=sum(heard.trains for heard in trial.calm),
        injections=tuple(trial.shifts()),
        left_out=trial.left_out,
    )


def _told(heard: Heard, calm: Heard) -> dict[str, object]:
    """What is told of a detection, by what is not heard without the shift."""
    new = [kind for kind in heard.gravest if kind not in calm.gravest]
    return {
        "causes": tuple(new or heard.gravest),
        "says": heard.verdict.reasons[0],
        "followed": heard.conclusion.action.value,
    }
