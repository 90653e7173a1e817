"""What a window is compared with, read by reference: nothing later than the window goes in."""

import io
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from infra.errors import ConfigError, DataError, few
from infra.store import columns_of, get_bytes, read_windows
from tasks.data.spec import LabelSpec
from tasks.frames import EVENT_TIME, LABEL_TIME, PREDICTION_TIME, feature_batches, feature_rows
from tasks.labels import comparable
from tasks.metrics import Array
from tasks.monitoring.feed import SCORED_AT, bounds
from tasks.monitoring.learned import PREDICTION
from tasks.monitoring.performance import Scored
from tasks.monitoring.sketches.profiles import Profile, Sketch
from tasks.monitoring.sketches.survey import RowSample
from tasks.references import Candidate, Champion, FeatureTable, Predictions
from tasks.windows import EVERYTHING, end_day, ends_at, first_day

if TYPE_CHECKING:
    import pyarrow as pa

VERSION: Final = "model_version"
"""The column of the version that a prediction is of."""

_CHANCES, _OF_CLASS = "probabilities", ":"
_BOTH = "_both"
_USUAL_WINDOWS, _FEWEST_USUAL = 6, 3


@dataclass(frozen=True)
class Seen:
    """A window's features, counted on what the champion learned from, and some of its rows."""

    sketch: Sketch
    sample: pd.DataFrame


def window_features(
    profile: Profile, predictions: Predictions, table: FeatureTable, rows: int
) -> Seen:
    """The features of a window, read once, in batches.

    Args:
        profile: of the champion's training rows.
        predictions: whose window it is.
        table: where the features are.
        rows: most rows of the sample.

    Raises:
        DataError: the features lack the window, or one that the champion needs.
        IntegrityError: rows are not those that were recorded.
    """
    names = list(profile.columns)
    gone = [name for name in names if name not in set(table.features)]
    if gone:
        raise DataError(
            f"The window lacks {len(gone)} features of the champion: {few(gone)}.",
            hint="Keep those features until a champion without them is in charge.",
        )
    some = RowSample(rows, seed=int(predictions.digest[:8], 16))
    sketch = profile.sketch(_sampled(some, feature_batches(table, [predictions.window], names)))
    return Seen(sketch, some.table().to_pandas())


def _sampled(some: RowSample, batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    for batch in batches:
        some.add(batch)
        yield batch


@dataclass(frozen=True)
class WindowRows:
    """The rows of a window, and the predictions that could not be laid beside them.

    Attributes:
        frame: times, labels and predictions; a row without a prediction has none.
        repeated: predictions of a row that has one already.
        strangers: predictions of rows that the window does not have.
    """

    frame: pd.DataFrame
    repeated: int
    strangers: int


def window_rows(
    predictions: Predictions, table: FeatureTable, label: LabelSpec, extra: Collection[str] = ()
) -> WindowRows:
    """The window's times, labels and predictions; of several of a row the earliest counts.

    A label that was not known as of the table's time is missing too. A window that never came has
    no rows.

    Args:
        predictions: whose window it is.
        table: where the rows are.
        label: what is predicted.
        extra: more columns of the rows.

    Raises:
        ConfigError: the rows do not hold a column.
        IntegrityError: rows are not those that were recorded.
    """
    _require_columns(table, extra)
    times = (EVENT_TIME, PREDICTION_TIME, LABEL_TIME)
    columns = list(dict.fromkeys([*table.key, *times, label.name, *extra]))
    rows = feature_rows(table.holding(predictions.window), [predictions.window], columns)
    said = _said(predictions, _columns(table, label))
    if said.empty:  # an empty column has no type that a key could be matched by
        said = said.astype({name: rows[name].dtype for name in table.key})
    known = rows[LABEL_TIME] <= pd.Timestamp(table.as_of)
    rows[label.name] = rows[label.name].where(known)
    once = _earliest(said, table.key)
    frame = rows.merge(once, on=list(table.key), how="left", validate="one_to_one", indicator=_BOTH)
    matched = int((frame.pop(_BOTH) == "both").sum())
    # An attempt that brought nothing is no prediction, and none of a row that has one already.
    repeated = int(said[PREDICTION].notna().sum()) - int(once[PREDICTION].notna().sum())
    return WindowRows(frame, repeated, len(once) - matched)


def _said(predictions: Predictions, columns: Sequence[str]) -> pd.DataFrame:
    """The predictions themselves; where there are none, there may be no table of them either."""
    if not predictions.rows:
        none = pd.DataFrame(columns=pd.Index([*columns, SCORED_AT]), dtype=object)
        return none.astype({PREDICTION: "float64", SCORED_AT: "datetime64[us, UTC]"})
    held = columns_of(predictions.uri, predictions.version)
    return read_windows(
        predictions.uri,
        predictions.version,
        [predictions.window],
        [*columns, *(name for name in (SCORED_AT, VERSION) if name in held)],
        digest=predictions.digest,
    )


def _earliest(said: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """One prediction of each row: the one made first, of several made at once the smallest.

    An attempt without one counts where no other brought any. A table keeps no order of its own, so
    that nothing else tells which of them came first.
    """
    if not said.duplicated(list(key)).any():
        return said
    order = [name for name in (SCORED_AT, PREDICTION) if name in said]
    ordered = said.sort_values(order, kind="stable")
    brought = ordered[PREDICTION].notna()
    return pd.concat([ordered[brought], ordered[~brought]]).drop_duplicates(list(key))


def _require_columns(table: FeatureTable, names: Collection[str]) -> None:
    held = columns_of(table.uri, table.version) if names else set()
    gone = [name for name in names if name not in held]
    if gone:
        raise ConfigError(
            f"monitoring names {few(gone)}, which the features of {table.model} do not hold.",
            hint="Name features or columns of the key under rosters and slices.",
        )


def holdout_rows(champion: Champion) -> pd.DataFrame:
    """Label and prediction of the rows that the champion was judged on."""
    return pd.read_parquet(io.BytesIO(get_bytes(champion.candidate.evaluation.predictions_uri)))


def rows_since(candidate: Candidate, predictions: Predictions, table: FeatureTable) -> int:
    """How many labelled rows came after those that a version learned from, this window's too."""
    return _rows_after(candidate.fitted.split.train, predictions, table)


def growth_since(candidate: Candidate, predictions: Predictions, table: FeatureTable) -> float:
    """How many labelled rows are new to a version, as a share of those that it learned from.

    Those that it was judged on are not: another training would learn from them, and find out no
    more than that.
    """
    split = candidate.fitted.split
    new = _rows_after([*split.train, *split.holdout], predictions, table)
    return new / candidate.fitted.rows


def _rows_after(known: Collection[str], predictions: Predictions, table: FeatureTable) -> int:
    newest, last = max(map(first_day, known)), first_day(predictions.window)
    return sum(part.labelled for part in table.parts if newest < first_day(part.window) <= last)


def labelled_rows(frame: pd.DataFrame, label: LabelSpec) -> pd.DataFrame:
    """The rows that have both label and prediction."""
    return frame[frame[label.name].notna() & frame[PREDICTION].notna()]


def scored_rows(frame: pd.DataFrame, label: LabelSpec) -> Scored:
    """The rows that have both label and prediction, as metrics want them; perhaps none."""
    rows = labelled_rows(frame, label)
    said, classes = _scores(rows, label)
    labels, said = comparable(rows, label, classes, said)
    return Scored(label.kind, labels, said, confident=label.kind != "regression")


def class_names(frame: pd.DataFrame, label: LabelSpec) -> tuple[str, ...]:
    """The names of the classes in the order of `scored_rows`, without those that are no model's."""
    if label.kind != "multiclass":
        return ("0", "1") if label.kind == "binary" else ()
    return _scores(labelled_rows(frame, label).head(1), label)[1]


def said_rows(frame: pd.DataFrame, label: LabelSpec) -> Scored:
    """The rows that have a prediction, whether their label has come or not; labels are left out."""
    rows = frame[frame[PREDICTION].notna()]
    said, _ = _scores(rows, label)
    unknown = np.full(len(rows), np.nan)
    return Scored(label.kind, unknown, said, confident=label.kind != "regression")


def usual_rows(
    window: str, table: FeatureTable, until: datetime | None = None, timezone: str = "UTC"
) -> float | None:
    """How many rows a window of as many days has, by the median of up to six before it.

    Args:
        window: its name.
        table: the windows before it.
        until: up to when it has come; None for one that is over.
        timezone: in which windows begin and end.
    """
    if window == EVERYTHING:
        return None
    start = first_day(window)
    before = [part for part in table.parts if first_day(part.window) < start][-_USUAL_WINDOWS:]
    if len(before) < _FEWEST_USUAL:
        return None
    days = _come(window, until, timezone)
    daily = [part.rows / _days(part.window) for part in before]
    return float(np.median(daily)) * days if days else None


def come_until(frame: pd.DataFrame, as_of: datetime) -> datetime:
    """Up to when rows have come: the time of looking, or that of the last if they are planned."""
    last = frame[EVENT_TIME].max() if EVENT_TIME in frame else pd.NaT
    now = pd.Timestamp(as_of)
    found: datetime = (now if pd.isna(last) else max(now, last)).to_pydatetime()
    return found


def _come(window: str, until: datetime | None, timezone: str) -> float:
    """Days of a window that have come; 0 where it is not over and a whole one has not."""
    within = bounds(window, timezone)
    if until is None or within is None or until >= within.end:
        return _days(window)
    days = (pd.Timestamp(until) - within.start) / pd.Timedelta(days=1)
    return days if days >= 1 else 0.0


def newest_end(table: FeatureTable, timezone: str) -> datetime | None:
    """When the newest window that is there was over; None for rows without time."""
    ends = [ends_at(part.window, timezone) for part in table.parts]
    return max(filter(None, ends), default=None)


def _days(window: str) -> int:
    return (end_day(window) - first_day(window)).days


def _columns(table: FeatureTable, label: LabelSpec) -> list[str]:
    chances = [_CHANCES] if label.kind == "multiclass" else []
    return [*table.key, PREDICTION, *chances]


def _scores(rows: pd.DataFrame, label: LabelSpec) -> tuple[Array, tuple[str, ...]]:
    """Scores and their classes, from text of a JSON object or a column for each class."""
    if label.kind != "multiclass":
        return rows[PREDICTION].to_numpy(dtype=np.float64), ()
    if _CHANCES in rows:
        chances = pd.DataFrame([json.loads(text) for text in rows[_CHANCES]], index=rows.index)
    else:
        start = PREDICTION + _OF_CLASS
        chances = rows[[name for name in rows if str(name).startswith(start)]]
        chances = chances.rename(columns=lambda name: str(name).removeprefix(start))
    return chances.to_numpy(dtype=np.float64), tuple(str(name) for name in chances)
