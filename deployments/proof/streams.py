"""A stream of windows under the declared policy: what the monitor says, and what is done."""

from dataclasses import dataclass, field, replace

import pandas as pd

from deployments.proof.ground import Deal
from deployments.shadow.champion import Shadow
from tasks.governance.policy import Past, PolicySpec, Training, conclude, judged
from tasks.references import Action, Conclusion, DriftVerdict


@dataclass
class Stream:
    """Windows that come one after the other, each judged and concluded as `monitor` does it.

    What the policy does by the calendar alone is left out: a training that was due is no alarm.

    Attributes:
        shadow: the champion, in charge all the time.
        deal: where the windows are from.
        past: what was concluded before.
        rows: how many rows each window had that came.
    """

    shadow: Shadow
    deal: Deal
    past: Past = field(default_factory=Past)
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def policy(self) -> PolicySpec:
        """What is declared, without the calendar."""
        return self.shadow.spec.policy.model_copy(update={"every": None})

    def comes(self, window: str, rows: pd.DataFrame) -> tuple[DriftVerdict, Conclusion]:
        """What follows from a window's rows; it counts among what was before the next."""
        self.rows[window] = len(rows)
        verdict = self.shadow.verdict(
            window, self.deal.timed(window, rows), self.deal.table(window, self.rows)
        )
        conclusion = conclude(verdict, self.past, self.policy)
        self.past = replace(self.past, seen=(*self.past.seen, judged(verdict)))
        if conclusion.action is Action.RETRAIN:
            training = Training(verdict.as_of)
            self.past = replace(self.past, trainings=(*self.past.trainings, training))
        return verdict, conclusion


def loud(conclusion: Conclusion) -> bool:
    """Whether anybody is told: an alarm where nothing moved, a detection where something did."""
    return conclusion.action.rank >= Action.ALERT.rank


def gravest(verdict: DriftVerdict) -> tuple[str, ...]:
    """The kinds of what lies beyond its limit, the gravest first."""
    beyond = [each.kind.value for each in verdict.causes if each.action is not Action.REST]
    return tuple(dict.fromkeys(beyond))
