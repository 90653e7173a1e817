"""What all policies of a replay share: the windows as they came, trainings, predictions, verdicts.

Every step is the one that the flows call, done in a home of its own and once for what goes in. So
two policies that ask for the same training get the same one, and a replay that was stopped, or
is asked again with one policy more, does no finished work twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from deployments.replay.results import Arrival
from deployments.shadow.feed import Feed
from infra.errors import DataError
from infra.identity import commit as commit_of
from infra.identity import lock_digest
from infra.steps import outside
from infra.store import digest_of
from tasks.data import commit, inspect, receive
from tasks.data.manifests import history_digest
from tasks.data.spec import DataSpec
from tasks.evaluation import compare, evaluate, judge
from tasks.evaluation.spec import EvaluationSpec
from tasks.features import build_features, split_by_time
from tasks.frames import PREDICTION_TIME, feature_rows
from tasks.monitoring import profile
from tasks.monitoring.spec import MonitoringSpec
from tasks.packaging import predict
from tasks.references import (
    Bento,
    Candidate,
    Cause,
    Champion,
    Comparison,
    Contest,
    DriftVerdict,
    Ending,
    FeatureTable,
    History,
    Manifest,
    Predictions,
    Verdict,
)
from tasks.training import fit
from tasks.windows import end_day, midnight

LEFT_OUT = (
    "Packaging and its smoke test: no Bento is built.",
    "Alerts, reminders and deadlines: the reviewer that was named answers at once.",
    "Schedules, freezes, triggers by data or code: only verdicts and the policy start trainings.",
)


@dataclass(frozen=True)
class Trained:
    """A candidate, and the CPU seconds that it took."""

    candidate: Candidate
    cpu_s: float


class World:
    """One model's history, played forwards."""

    def __init__(self, feed: Feed) -> None:
        self._feed, self.spec = feed, feed.spec
        self._manifests: list[Manifest] = []
        self._trained: dict[tuple[datetime, Cause], Trained] = {}

    @property
    def trainings(self) -> int:
        """How many different ones were done: what they were for makes no other version of them."""
        return len({as_of for as_of, _ in self._trained})

    def ends(self, window: str) -> datetime:
        """When a window is over, and its rows come in."""
        return midnight(end_day(window), self.spec.data.timezone)

    def closes(self, window: str) -> datetime:
        """When its labels are in."""
        return self._feed.known_at(window).astimezone(UTC)

    def ingest(self, window: str, let_in: Callable[[str], bool]) -> Arrival:
        """Bring a window in, as far as its contract, or else a person, lets it in.

        Args:
            window: its name.
            let_in: what the reviewer says to a batch that is held, by why it is.
        """
        name, data, as_of = self.spec.name, self.spec.data, self.ends(window)
        try:
            delivery = receive.fn(name, data, window, as_of, {})
            before = self.history(as_of).before(window)
            inspection = outside(inspect, name)(delivery, before, data).value
        except DataError as error:
            return _refused(window, as_of, Ending.REJECT, str(error.args[0]))
        worst = [each for each in inspection.findings if each.ending is inspection.ending]
        why = worst[0].message if worst else ""
        ending = inspection.ending
        if ending is Ending.REJECT or (ending is Ending.HOLD and not let_in(why)):
            return _refused(window, as_of, ending, why)
        self._manifests.append(outside(commit, name)(inspection).value)
        return Arrival(window=window, as_of=as_of, ending=ending, admitted=True, why=why)

    def history(self, as_of: datetime) -> History:
        """What had come in by a time."""
        known = tuple(each for each in self._manifests if each.as_of <= as_of)
        digest = history_digest(known)
        return History(model=self.spec.name, as_of=as_of, manifests=known, digest=digest)

    def table(self, as_of: datetime) -> FeatureTable:
        """The features as of a time."""
        spec = self.spec
        once = outside(build_features, spec.name)
        return once(self.history(as_of), spec.features, spec.data).value

    def train(self, as_of: datetime, cause: Cause) -> Trained:
        """The candidate of a time, trained once whoever asks.

        Raises:
            ConfigError: the trainer or the declaration is wrong.
            DataError: there are too few windows or rows.
        """
        if (as_of, cause) not in self._trained:
            self._trained[as_of, cause] = self._train(as_of, cause)
        return self._trained[as_of, cause]

    def _train(self, as_of: datetime, cause: Cause) -> Trained:
        spec, name, label = self.spec, self.spec.name, self.spec.data.label
        split = split_by_time.fn(self.table(as_of), spec.training)
        fitted = outside(fit, name)(split, spec.training, spec.evaluation, spec.features, label)
        judged = outside(evaluate, name)(fitted.value, spec.evaluation, label)
        drawn = outside(profile, name)(fitted.value, judged.value, spec.monitoring, label)
        digest = digest_of(fitted.value.digest, judged.value.digest, drawn.value.digests)
        candidate = Candidate(
            model=name,
            version=sum(self.closes(window) <= as_of for window in self._feed.windows),
            run_id="",
            run_url="",
            uri=fitted.value.uri,
            cause=cause,
            as_of=as_of,
            fitted=fitted.value,
            evaluation=judged.value,
            profiled=drawn.value,
            data_version=split.table.history,
            commit=commit_of(),
            lock=lock_digest(),
            digest=digest,
        )
        return Trained(candidate, round(fitted.cpu_s + judged.cpu_s + drawn.cpu_s, 1))

    def gates(self, candidate: Candidate, incumbent: Champion | None) -> tuple[Comparison, Verdict]:
        """What the gates say of a candidate against who is in charge."""
        spec = self.spec
        against = outside(compare, spec.name)(
            alike(candidate), incumbent, spec.evaluation, spec.gates, spec.data.label
        ).value
        return against, judge.fn(candidate, against, spec.gates, spec.approval)

    def times(self, window: str, as_of: datetime) -> pd.DataFrame:
        """When each row of a window is to be predicted.

        Raises:
            DataError: the features lack the window.
        """
        return feature_rows(self.table(as_of), [window], [PREDICTION_TIME])

    def predict(
        self, champion: Champion, before: tuple[Champion, ...], window: str, as_of: datetime
    ) -> Predictions:
        """A window's predictions, each row by the champion of its own time."""
        table, label = self.table(as_of), self.spec.data.label
        return outside(predict, self.spec.name)(champion, table, window, as_of, label, before).value

    def watch(
        self, predictions: Predictions, contest: Contest, as_of: datetime, rules: MonitoringSpec
    ) -> DriftVerdict:
        """The verdict of a window by some rules."""
        once = outside(_verdict, self.spec.name)
        spec = self.spec
        return once(
            predictions, contest, self.table(as_of), rules, spec.data, spec.evaluation
        ).value


def alike(candidate: Candidate) -> Candidate:
    """A candidate without what it was trained for, which policies differ in that share it."""
    return candidate.model_copy(update={"cause": Cause.SCHEDULE})


def crowned(candidate: Candidate, since: datetime) -> Champion:
    """A candidate in charge from a time on; whatever it was trained for, it predicts alike."""
    bento = Bento(tag="", uri=candidate.fitted.uri, digest="", version=candidate.version)
    return Champion(
        model=candidate.model,
        version=candidate.version,
        since=since,
        candidate=alike(candidate),
        bento=bento,
        entry=digest_of(candidate.digest, since),
    )


def _verdict(
    predictions: Predictions,
    contest: Contest,
    table: FeatureTable,
    monitoring: MonitoringSpec,
    data: DataSpec,
    evaluation: EvaluationSpec,
) -> DriftVerdict:
    """The verdict of `monitor` without its report."""
    from tasks.monitoring.observing import observe
    from tasks.monitoring.watching import conclude, read_window

    watched = read_window(predictions, contest.champion, table, monitoring, data, evaluation)
    return conclude(watched, observe(watched, monitoring), contest, table, monitoring)


def _refused(window: str, as_of: datetime, ending: Ending, why: str) -> Arrival:
    return Arrival(window=window, as_of=as_of, ending=ending, admitted=False, why=why)
