"""What a proof stands on: a model's own rows, and windows that are dealt anew from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from deployments.shadow.champion import table_of
from deployments.shadow.feed import Feed
from infra.errors import DataError
from infra.store import digest_of
from tasks.features.partitions import Frames
from tasks.frames import EVENT_TIME, LABEL_TIME, PREDICTION_TIME
from tasks.references import FeaturePart, FeatureTable
from tasks.spec import ModelSpec
from tasks.windows import end_day, first_day

_UNSEEN = 1
"""Windows that must be left to watch once a champion was trained and judged."""


@dataclass(frozen=True)
class Ground:
    """A model's own rows.

    Attributes:
        feed: its source.
        raw: rows that its contract lets through, by window and table.
        windows: feature rows by window, oldest first.
    """

    feed: Feed
    raw: Mapping[str, Frames]
    windows: Mapping[str, pd.DataFrame]

    @property
    def spec(self) -> ModelSpec:
        """The declaration."""
        return self.feed.spec

    @cached_property
    def pool(self) -> pd.DataFrame:
        """The feature rows of all windows."""
        return pd.concat(list(self.windows.values()), ignore_index=True)

    @property
    def first(self) -> int:
        """How many windows a champion takes: those it learns from, and those it is judged on."""
        training = self.spec.training
        return training.min_windows + training.holdout.windows

    def years(self, windows: int) -> float:
        """How long so many windows last, by the mean of the model's own."""
        names = list(self.windows)
        days = (end_day(names[-1]) - first_day(names[0])).days
        return windows * days / len(names) / 365.25

    def require_enough(self) -> None:
        """Nothing, where there are windows left to watch.

        Raises:
            DataError: there are too few.
        """
        if len(self.windows) < self.first + _UNSEEN:
            raise DataError(
                f"{self.spec.name} has {len(self.windows)} windows, and a champion takes "
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
        """Rows as those of a window: they happen when it begins, and labels come when they are due.

        Args:
            window: its name.
            rows: key, times, label and features.
        """
        known = pd.Timestamp(self.ground.feed.known_at(window)).tz_convert("UTC").as_unit("us")
        began = pd.Timestamp(first_day(window), tz=self.ground.spec.data.timezone)
        times = dict.fromkeys((EVENT_TIME, PREDICTION_TIME), began.tz_convert("UTC").as_unit("us"))
        return rows.reset_index(drop=True).assign(**times, **{LABEL_TIME: known})

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
    """The windows of a model, each as large as it was, of rows drawn from all of them at random."""
    order = np.random.default_rng(seed).permutation(len(ground.pool))
    ends = np.cumsum([len(rows) for rows in ground.windows.values()])
    parts = np.split(order, ends[:-1])
    return Deal(ground, dict(zip(ground.windows, map(np.sort, parts), strict=True)))
