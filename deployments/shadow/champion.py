"""A champion that nobody serves: trained, measured and profiled by the steps of `train`.

What the steps store goes where this process keeps its home, so call them inside `shadow_home`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from infra import store
from infra.models import load_model
from tasks.evaluation import evaluate
from tasks.features.splitting import split
from tasks.frames import EVENT_TIME, LABEL_TIME, PREDICTION_TIME
from tasks.monitoring import profile, sources
from tasks.monitoring.attribution import Contributions
from tasks.monitoring.drift import sample
from tasks.monitoring.feed import SCORED_AT
from tasks.monitoring.learned import Learned, learned
from tasks.monitoring.observing import Watched, observe
from tasks.monitoring.watching import conclude, contributions, rosters_of
from tasks.packaging.scored import predicted_rows
from tasks.references import (
    Bento,
    Candidate,
    Cause,
    Champion,
    Contest,
    DriftVerdict,
    FeaturePart,
    FeatureTable,
    Predictions,
)
from tasks.spec import ModelSpec
from tasks.training import fit

_VERSION: Final = 1


@dataclass(frozen=True)
class Shadow:
    """A champion, and all that watching it takes.

    Attributes:
        spec: the declaration.
        champion: the references that the monitor is given.
        known: what it learned from, as sketches.
        model: the estimator.
        holdout: labels and predictions of the rows that it was judged on.
    """

    spec: ModelSpec
    champion: Champion
    known: Learned
    model: Any
    holdout: pd.DataFrame

    def verdict(
        self,
        window: str,
        rows: pd.DataFrame,
        table: FeatureTable,
        happens: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    ) -> DriftVerdict:
        """What monitoring concludes of a window of feature rows; no report is written.

        Args:
            window: its name.
            rows: key, times, label and features; a label that is missing has not come.
            table: the windows up to this one, with how many rows each has.
            happens: what becomes of the predictions, a row for each in the order of the rows, each
                made in time; left out, nothing does.
        """
        spec = self.spec
        made = predicted_rows(self.model, rows, table.key, self._features, spec.data.label.kind)
        said = made.assign(**{SCORED_AT: made[PREDICTION_TIME]})
        if happens:  # what is made only after the time of looking is not there yet
            said = happens(said).loc[lambda made: ~(made[SCORED_AT] > table.as_of)]
        watching, usual = spec.monitoring, sources.usual_rows(window, table)
        parts = watching.slices.columns if watching.slices else ()
        extra = [*(each.column for each in watching.rosters), *parts]
        times = (EVENT_TIME, PREDICTION_TIME, LABEL_TIME)
        shown = dict.fromkeys([*table.key, *times, table.label, *extra])
        told = rows[list(shown)]
        predictions = Predictions(
            uri="",
            version=0,
            window=window,
            rows=len(rows),
            model=spec.name,
            model_version=self.champion.version,
            digest=store.digest_of(window, table.digest, self.champion.entry),
        )
        watched = Watched(
            predictions=predictions,
            champion=self.champion,
            learned=self.known,
            features=self._seen(rows),
            window=told.join(said.drop(columns=[*table.key, PREDICTION_TIME])),
            holdout=self.holdout,
            since=sources.rows_since(self.champion.candidate, predictions, table),
            usual_rows=usual,
            label=spec.data.label,
            metric=spec.evaluation.metric,
            as_of=table.as_of,
            timezone=spec.data.timezone,
            rosters=rosters_of(spec.name, watching, self.known, usual or len(rows)),
            newest=sources.newest_end(table, spec.data.timezone),
            contributions=self._contributions,
        )
        rivals = Contest(champion=self.champion)
        return conclude(watched, observe(watched, spec.monitoring), rivals, table, spec.monitoring)

    @cached_property
    def _contributions(self) -> Contributions | None:
        return contributions(self.champion, self.known, self.spec.data.label, self.spec.monitoring)

    @property
    def _features(self) -> tuple[str, ...]:
        return self.champion.candidate.fitted.split.table.features

    def _seen(self, rows: pd.DataFrame) -> sources.Seen | None:
        if len(rows) < self.spec.monitoring.min_rows:
            return None
        names = list(self._features)
        batches = pa.Table.from_pandas(rows[names], preserve_index=False).to_batches()
        some = sample(rows[names], self.spec.monitoring.report_rows, seed=len(rows))
        return sources.Seen(self.known.features.sketch(batches), some)


def described(
    spec: ModelSpec, windows: Mapping[str, pd.DataFrame], as_of: datetime
) -> FeatureTable:
    """The reference of some windows of rows in memory; those with a label have it by then.

    Args:
        spec: the declaration.
        windows: rows by window, oldest first.
        as_of: the time of the reference.
    """
    parts = tuple(
        FeaturePart(
            window=name,
            digest=store.digest_of(name, len(rows)),
            rows=len(rows),
            labelled=int(rows[spec.data.label.name].notna().sum()),
        )
        for name, rows in windows.items()
    )
    return table_of(spec, parts, as_of)


def table_of(spec: ModelSpec, parts: tuple[FeaturePart, ...], as_of: datetime) -> FeatureTable:
    """The reference of windows of which no row is stored.

    Args:
        spec: the declaration.
        parts: the windows, oldest first.
        as_of: the time of the reference.
    """
    return FeatureTable(
        model=spec.name,
        uri="",
        version=0,
        parts=parts,
        key=spec.features.key,
        label=spec.data.label.name,
        features=spec.features.columns,
        categorical=spec.features.categorical,
        as_of=as_of,
        history=store.digest_of("shadow", spec.name, as_of),
        digest=store.digest_of("shadow", parts, as_of),
    )


def train_shadow(
    spec: ModelSpec, windows: Mapping[str, pd.DataFrame], as_of: datetime, seed: int = 0
) -> Shadow:
    """The champion that some windows make: split, fitted, evaluated and profiled as declared.

    Of the declared candidates the first is fitted, without trying the others: which of them wins
    is the trainer's affair, and not what a shadow is asked about.

    Args:
        spec: the declaration.
        windows: rows by window, oldest first; the newest are held out, as declared.
        as_of: the time of the training.
        seed: names the stream, so that streams of other rows lie beside each other.

    Raises:
        ConfigError: the trainer is wrong.
        DataError: there are too few windows or rows.
    """
    place = store.uri("shadow", spec.name, str(seed), f"{as_of:%Y%m%d}", "rows")
    parts = tuple(
        # Named by their content: what is stored of a training is found again under that name.
        part.model_copy(
            update={"digest": store.content_digest(windows[part.window], spec.features.key)}
        )
        for part in described(spec, windows, as_of).parts
    )
    for part in parts:
        store.write_window(place, windows[part.window], part.window, part.digest)
    named = table_of(spec, parts, as_of)
    table = named.model_copy(update={"uri": place, "version": store.current_version(place)})
    label = spec.data.label
    training = spec.training.model_copy(update={"candidates": spec.training.candidates[:1]})
    fitted = fit.fn(split(table, training), training, spec.evaluation, spec.features, label)
    evaluation = evaluate.fn(fitted, spec.evaluation, label)
    profiled = profile.fn(fitted, evaluation, spec.monitoring, label)
    candidate = Candidate(
        model=spec.name,
        version=_VERSION,
        run_id="",
        run_url="",
        uri="",
        cause=Cause.PERSON,
        as_of=as_of,
        fitted=fitted,
        evaluation=evaluation,
        profiled=profiled,
        data_version=table.history,
        commit="",
        lock="",
        digest=store.digest_of(fitted.digest, evaluation.digest),
    )
    champion = Champion(
        model=spec.name,
        version=_VERSION,
        since=as_of,
        candidate=candidate,
        bento=Bento(tag="", uri="", digest="", version=_VERSION),
        entry=store.digest_of("shadow", candidate.digest),
    )
    return Shadow(
        spec=spec,
        champion=champion,
        known=learned(profiled),
        model=load_model(fitted.uri, fitted.digest, fitted.trusted_types),
        holdout=sources.holdout_rows(champion),
    )
