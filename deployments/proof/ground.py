"""What a proof stands on: a model's own rows, and windows that are dealt anew from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from deployments.proof.result import Calm
from deployments.proof.rostered import bound
from deployments.shadow.champion import table_of
from deployments.shadow.feed import Examined, Feed
from infra.errors import DataError, few
from infra.store import digest_of
from tasks.features.partitions import Frames
from tasks.frames import EVENT_TIME, LABEL_TIME, PREDICTION_TIME
from tasks.references import Ending, FeaturePart, FeatureTable
from tasks.spec import ModelSpec
from tasks.windows import end_day, first_day

_UNSEEN = 1
"""Windows that must be left to watch once a champion was trained and judged."""

TOLD: Final = 10
"""Alarms that are told, each with its reason; all of them count."""

_TIMES: Final = "datetime64[us, UTC]"

Say = Callable[[str, float], None]
"""Told what is done, and the share of the work that is behind."""


@dataclass(frozen=True)
class Ground:
    """A model's own rows.

    Attributes:
        feed: its source.
        raw: rows that its contract lets through, by window and table.
        windows: feature rows by window, oldest first, of those that have labels.
        contract: what the contract says of each window as it came.
        left_out: windows whose labels are not due, or that have none.
    """

    feed: Feed
    raw: Mapping[str, Frames]
    windows: Mapping[str, pd.DataFrame]
    contract: Calm
    left_out: tuple[str, ...] = ()

    @property
    def spec(self) -> ModelSpec:
        """The declaration."""
        return self.feed.spec

    @cached_property
    def pool(self) -> pd.DataFrame:
        """The feature rows of all windows that have a label."""
        return pd.concat(list(self.labelled.values()), ignore_index=True)

    @cached_property
    def labelled(self) -> dict[str, pd.DataFrame]:
        """The feature rows that have a label, by window: whoever deals another one deals a gap."""
        label = self.spec.data.label.name
        return {name: rows[rows[label].notna()] for name, rows in self.windows.items()}

    @property
    def unlabelled(self) -> int:
        """Rows of these windows without a label."""
        return sum(len(rows) for rows in self.windows.values()) - len(self.pool)

    @property
    def first(self) -> int:
        """How many windows a champion takes: those it learns from, and those it is judged on."""
        training = self.spec.training
        return training.min_windows + training.holdout.windows

    def years(self, windows: int) -> float:
        """How long so many windows last, by the mean of the model's own."""
        return _years(list(self.windows), windows)

    def require_enough(self) -> None:
        """Nothing, where there are windows left to watch.

        Raises:
            DataError: there are too few.
        """
        if len(self.windows) < self.first + _UNSEEN:
            gone = f" ({few(list(self.left_out))} left out for want of labels)"
            raise DataError(
                f"{self.spec.name} has {len(self.windows)} windows"
                f"{gone if self.left_out else ''}, and a champion takes "
                f"{self.first}: none is left to watch.",
                hint="A proof takes the declared source; let it hold more windows.",
            )


@dataclass(frozen=True)
class Deal:
    """Windows of rows that were shuffled among all of them: each is like every other.

    Attributes:
        ground: whose rows they are.
        places: by window, which rows of the pool it holds.
    """

    ground: Ground
    places: Mapping[str, npt.NDArray[np.intp]]

    def rows(self, window: str) -> pd.DataFrame:
        """The rows of a window, at the window's own times: every label comes when all do."""
        return self.timed(window, self.ground.pool.iloc[self.places[window]])

    def timed(self, window: str, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows as those of a window: at the times of its own rows, labels come when they are due.

        Nights without a row and busy hours are where they were. Where fewer rows come than are
        usual, the end of the window has none.

        Args:
            window: its name.
            rows: key, times, label and features; no more than the window has.
        """
        own = self.ground.labelled[window][[EVENT_TIME, PREDICTION_TIME]]
        times = own.sort_values(PREDICTION_TIME, kind="stable").iloc[: len(rows)]
        known = pd.Timestamp(self.ground.feed.known_at(window)).tz_convert("UTC").as_unit("us")
        timed = times.reset_index(drop=True).astype(_TIMES)
        both = {name: timed[name] for name in (EVENT_TIME, PREDICTION_TIME)}
        return rows.reset_index(drop=True).assign(**both, **{LABEL_TIME: known})

    def learned(self) -> dict[str, pd.DataFrame]:
        """The windows that a champion is made of, in order."""
        return {window: self.rows(window) for window in list(self.places)[: self.ground.first]}

    def watched(self) -> tuple[str, ...]:
        """The windows after those, oldest first."""
        return tuple(self.places)[self.ground.first :]

    def table(self, window: str, rows: Mapping[str, int]) -> FeatureTable:
        """The windows up to one, as the monitor is given them.

        Args:
            window: the newest.
            rows: how many some windows have, where they are not as many as usual.
        """
        ground = self.ground
        names = [name for name in self.places if first_day(name) <= first_day(window)]
        counts = {name: rows.get(name, len(self.places[name])) for name in names}
        parts = tuple(
            FeaturePart(window=name, digest=digest_of(name, count), rows=count, labelled=count)
            for name, count in counts.items()
        )
        return table_of(ground.spec, parts, ground.feed.known_at(window))


def deal(ground: Ground, seed: int) -> Deal:
    """The windows of a model, each as large as it was, of rows drawn from all of them at random.

    Rows without a label are not dealt: wherever one came to lie it would be a gap of that window.
    An entity that a roster wants in each window, and that has few rows, is dealt among its own.
    """
    order = np.random.default_rng(seed).permutation(len(ground.pool))
    groups = bound(ground.spec, ground.pool, len(ground.windows))
    places = np.argsort(groups, kind="stable")
    drawn = np.empty_like(order)
    drawn[places] = order[np.argsort(groups[order], kind="stable")]
    order = drawn
    ends = np.cumsum([len(rows) for rows in ground.labelled.values()])
    parts = np.split(order, ends[:-1])
    return Deal(ground, dict(zip(ground.windows, map(np.sort, parts), strict=True)))


def stand_on(feed: Feed, now: datetime, say: Say) -> Ground:
    """The model's own rows, and what its contract says of them as they came.

    Args:
        feed: the declared source.
        now: windows whose labels are not due by then are left out: they have not come whole.
        say: told each window, and the share of them that is behind.
    """
    due = tuple(window for window in feed.windows if feed.known_at(window) <= now)
    young = feed.windows[len(due) :]
    feed, raw, stopped = replace(feed, windows=due), {}, []
    for place, (window, found) in enumerate(feed.admitted(), start=1):
        raw[window] = {**feed.raw(window), **found.frames}
        if found.ending in {Ending.HOLD, Ending.REJECT}:
            stopped.append(f"{window}: {found.ending}: {_worst(found)}")
        say(f"the contract on {window}", place / len(feed.windows))
    built = {window: feed.features(window, raw) for window in due}
    label = feed.spec.data.label.name
    windows = {name: rows for name, rows in built.items() if rows[label].notna().any()}
    calm = Calm(
        windows=len(due),
        years=_years(due, len(due)),
        alarms=len(stopped),
        retrains=0,
        told=tuple(stopped[:TOLD]),
    )
    left_out = (*(name for name in due if name not in windows), *young)
    return Ground(feed, raw, windows, calm, left_out)


def _worst(found: Examined) -> str:
    return next(each.message for each in found.findings if each.ending is found.ending)


def _years(names: Sequence[str], windows: int) -> float:
    """How long so many windows last, by the mean of those named."""
    if not names:
        return 0.0
    days = (end_day(names[-1]) - first_day(names[0])).days
    return windows * days / len(names) / 365.25
