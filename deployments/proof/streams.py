"""A stream of windows under the declared policy: what the monitor says, and what is done."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pandas as pd

from deployments.proof.ground import Deal
from deployments.shadow.champion import Shadow
from tasks.governance.past import Past, Training, judged
from tasks.governance.policy import conclude
from tasks.references import Action, Conclusion, DriftVerdict, FeatureTable

Said = Callable[[pd.DataFrame], pd.DataFrame]
"""What becomes of the predictions of a window before the monitor meets them."""


@dataclass(frozen=True)
class Heard:
    """What the monitor said of a window, and what the policy made of it."""

    verdict: DriftVerdict
    conclusion: Conclusion

    @property
    def is_loud(self) -> bool:
        """Whether anybody is told: an alarm where nothing moved, a detection where it did."""
        return self.conclusion.action.rank >= Action.ALERT.rank

    @property
    def trains(self) -> bool:
        """Whether a training follows."""
        return self.conclusion.action is Action.RETRAIN

    @property
    def gravest(self) -> tuple[str, ...]:
        """The kinds of what lies beyond its limit, the gravest first."""
        beyond = [each.kind.value for each in self.verdict.causes if each.action is not Action.REST]
        return tuple(dict.fromkeys(beyond))

    def says_more_than(self, calm: "Heard") -> bool:
        """Whether it is loud for a reason that is not there without a shift, or asks for more."""
        more = self.conclusion.action.rank > calm.conclusion.action.rank
        new = set(self.gravest) - set(calm.gravest)
        return self.is_loud and (more or not calm.is_loud or bool(new))


@dataclass
class Stream:
    """Windows that come one after the other, each judged and concluded as `monitor` does it.

    Attributes:
        shadow: the champion, in charge all the time.
        past: what was concluded before.
    """

    shadow: Shadow
    past: Past = field(default_factory=Past)

    def follows(
        self, window: str, rows: pd.DataFrame, table: FeatureTable, said: Said | None = None
    ) -> Heard:
        """What follows from a window; it counts among what was before the next.

        Args:
            window: its name.
            rows: key, times, label and features.
            table: the windows up to this one.
            said: what becomes of its predictions; left out, they are all there in time.
        """
        verdict = self.shadow.verdict(window, rows, table, said)
        conclusion = conclude(verdict, self.past, self.shadow.spec.policy)
        self.past = replace(self.past, seen=(*self.past.seen, judged(verdict)))
        if conclusion.action is Action.RETRAIN:
            training = Training(verdict.as_of)
            self.past = replace(self.past, trainings=(*self.past.trainings, training))
        return Heard(verdict, conclusion)


@dataclass
class DealtStream:
    """A stream of windows that were dealt anew.

    Attributes:
        shadow: the champion.
        deal: where the windows are from.
        rows: how many rows each window had that came.
    """

    shadow: Shadow
    deal: Deal
    rows: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with nothing before."""
        self._stream = Stream(self.shadow)

    def comes(self, window: str, rows: pd.DataFrame, said: Said | None = None) -> Heard:
        """What follows from a window's rows, of which some may have never come."""
        self.rows[window] = len(rows)
        timed, table = self.deal.timed(window, rows), self.deal.table(window, self.rows)
        return self._stream.follows(window, timed, table, said)
