"""One policy on its way through history: who is in charge by it, and what it has done so far."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from deployments.replay.policies import Rules
from deployments.replay.reigning import nobody_for
from deployments.replay.results import Retraining, Watch
from deployments.replay.world import Trained, World, crowned
from infra.errors import DataError
from tasks.governance.past import Past, Training, Tried, seen_before, still_declined, still_tried
from tasks.governance.policy import conclude
from tasks.references import (
    Action,
    Ask,
    Candidate,
    Cause,
    Champion,
    Comparison,
    Conclusion,
    Contest,
    DriftVerdict,
    Predictions,
    Promote,
    WatchKind,
)
from tasks.registry.crownings import line_of


@dataclass(frozen=True)
class Reviewer:
    """Who answers in a replay, at once and always alike.

    Attributes:
        name: as the result states it.
        candidate: whether a candidate that the gates ask about is approved.
        drift: whether a verdict that asks a person leads to a training.
        batch: whether a batch that was held is let in.
    """

    name: str
    candidate: Callable[[Comparison], bool]
    drift: bool
    batch: bool


@dataclass
class Track:
    """The past of a policy; what `follow` reads from ledger and Prefect in a real one."""

    rules: Rules
    reigns: list[Champion] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    trained: datetime | None = None
    verdicts: list[DriftVerdict] = field(default_factory=list)
    predictions: dict[str, Predictions] = field(default_factory=dict)
    declined: list[tuple[DriftVerdict, frozenset[WatchKind]]] = field(default_factory=list)
    tried: Tried | None = None
    turned_down: Candidate | None = None

    def live(self, world: World, window: str, reviewer: Reviewer) -> Watch:
        """A window whose labels have come: predicted, judged, and what follows done."""
        as_of = world.closes(window)
        try:
            if not self.reigns:
                return self._first(world, window, reviewer)
            nobody = nobody_for(window, world.times(window, as_of), self.reigns)
            if nobody:
                return Watch(window=window, as_of=as_of, failed=nobody)
            *before, champion = self.reigns
            made = world.predict(champion, tuple(before), window, as_of)
            contest = Contest(champion=champion, turned_down=self.turned_down)
            verdict = world.watch(made, contest, as_of, self.rules.monitoring)
        except DataError as error:
            return Watch(window=window, as_of=as_of, failed=str(error.args[0]))
        self.predictions[window] = made
        past, policy = self._past(verdict), self.rules.policy
        conclusion = conclude(verdict, past, policy)
        asked_of_it = conclude(verdict, past, policy.model_copy(update={"every": None}))
        self.verdicts.append(verdict)
        training, failed = self._act(world, verdict, conclusion, reviewer)
        metric = world.spec.evaluation.metric
        return Watch(
            window=window,
            as_of=as_of,
            version=made.model_version,
            rows=verdict.rows,
            labelled=_labelled(verdict),
            metric=verdict.metrics.get(metric),
            money=verdict.metrics.get("value"),
            verdict=verdict.action,
            action=conclusion.action,
            alarm=asked_of_it.action,
            kinds=conclusion.kinds,
            why=(*conclusion.why, *verdict.reasons),
            training=training,
            failed=failed,
        )

    def _first(self, world: World, window: str, reviewer: Reviewer) -> Watch:
        as_of = world.closes(window)
        made = world.train(as_of, Cause.SCHEDULE)
        training = self._before_the_gates(world, made, reviewer)
        return Watch(window=window, as_of=as_of, training=training)

    def _past(self, verdict: DriftVerdict) -> Past:
        line = line_of(each.version for each in self.reigns)
        return Past(
            trainings=tuple(self.trainings),
            trained=self.trained,
            seen=seen_before(self.verdicts, verdict.window, self.rules.policy.persist.of),
            declined=tuple(self._declined(verdict)),
            tried=self._tried(verdict),
            predecessor=line[-2] if len(line) > 1 else None,
        )

    def _declined(self, verdict: DriftVerdict) -> Iterator[frozenset[WatchKind]]:
        """What a person wanted no training for, since the last one, and as long as that counts."""
        last = self.trainings[-1].as_of if self.trainings else self.reigns[-1].since
        growth = self.rules.policy.min_growth
        for asked, kinds in self.declined:
            if asked.as_of > last and still_declined(asked, verdict, growth):
                yield kinds

    def _tried(self, verdict: DriftVerdict) -> Tried | None:
        """The last training that a verdict started by itself, as far as it speaks against one."""
        tried, champion = self.tried, self.reigns[-1]
        if tried is None or (not tried.promoted and tried.as_of < champion.since):
            return None
        since = [each for each in self.verdicts if each.as_of > tried.as_of]
        asked = any(each.as_of > tried.as_of for each, _ in self.declined)
        growth = self.rules.policy.min_growth
        return still_tried(tried, since, verdict, asked=asked, min_growth=growth)

    def _act(
        self, world: World, verdict: DriftVerdict, conclusion: Conclusion, reviewer: Reviewer
    ) -> tuple[Retraining | None, str]:
        """What became of a training, where one was asked for, or why there was none."""
        as_of = verdict.as_of
        if conclusion.action is Action.ROLLBACK:
            back = [each for each in self.reigns if each.version == conclusion.version][-1]
            self._crown(back.candidate, as_of)
        if conclusion.action is Action.ASK and not reviewer.drift:
            self.declined.append((verdict, frozenset(conclusion.kinds)))
        asked = conclusion.action is Action.ASK and reviewer.drift
        if conclusion.action is not Action.RETRAIN and not asked:
            return None, ""
        hours = 0.0
        try:
            made = world.train(as_of, conclusion.cause)
            hours = made.candidate.gpu_hours
            became = self._before_the_gates(world, made, reviewer)
        except DataError as error:
            return None, str(error.args[0])
        finally:
            self.trainings.append(Training(as_of, hours))
        if conclusion.cause is Cause.DRIFT:
            kinds = frozenset() if asked else frozenset(conclusion.kinds)
            self.tried = Tried(became.version, as_of, became.promoted, kinds) if kinds else None
        return became, ""

    def _before_the_gates(self, world: World, made: Trained, reviewer: Reviewer) -> Retraining:
        candidate = made.candidate
        incumbent = self.reigns[-1] if self.reigns else None
        comparison, verdict = world.gates(candidate, incumbent)
        promoted = isinstance(verdict, Promote) or (
            isinstance(verdict, Ask) and reviewer.candidate(comparison)
        )
        self.trained = candidate.as_of
        if promoted:
            self._crown(candidate, candidate.as_of)
        elif candidate.cause is Cause.DRIFT:
            self.turned_down = candidate
        return Retraining(
            as_of=candidate.as_of,
            version=candidate.version,
            verdict=verdict.kind,
            promoted=promoted,
            why=verdict.why,
            gain=comparison.gain,
            cpu_s=made.cpu_s,
            gpu_hours=candidate.gpu_hours,
        )

    def _crown(self, candidate: Candidate, since: datetime) -> None:
        self.reigns.append(crowned(candidate, since))
        self.turned_down = None


def _labelled(verdict: DriftVerdict) -> int:
    scored = verdict.rows
    return round(scored * (1 - verdict.metrics.get("unlabelled", 0.0)))
