"""What a model's declared source holds, window by window: held to its contract, built by its code.

No stack is needed and nothing is written: the reader, the contract and the builder are those that
`ingest` and `train` call.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd

from infra.errors import DataError, few
from infra.plugins import resolve
from infra.store import WINDOW
from tasks.data.batch import Batch
from tasks.data.fetching import fetch
from tasks.data.inspection import Contract, Observe, examine, worst
from tasks.data.reading import read
from tasks.data.sources import locate, suite_of
from tasks.data.structure import written_days
from tasks.data.usual import Past, newest
from tasks.features.partitions import Definition, Frames, built, joined, reach
from tasks.references import Ending, Finding
from tasks.spec import ModelSpec
from tasks.windows import EVERYTHING, end_day, first_day

_LETTERS: Final = {"year": 4, "month": 7, "day": 10}


@dataclass(frozen=True)
class Examined:
    """A window as its contract leaves it.

    Attributes:
        ending: of the batch.
        findings: of all of its tables.
        frames: the rows that may go on, by table.
        aside: rows set aside, by table.
    """

    ending: Ending
    findings: tuple[Finding, ...]
    frames: Frames
    aside: dict[str, int]


@dataclass(frozen=True)
class Feed:
    """A model's own data.

    Attributes:
        spec: the declaration.
        sources: the bytes at each table's declared source.
        tables: their rows, typed as declared.
        places: the window of each row, by table; none for tables that are delivered whole.
        windows: that every table has rows of, oldest first, but for those that may be empty.
    """

    spec: ModelSpec
    sources: Mapping[str, bytes]
    tables: Frames
    places: "Mapping[str, pd.Series[str]]"
    windows: tuple[str, ...]

    def raw(self, window: str) -> Frames:
        """The rows of a window by table; those of a table without time are all there."""
        return {
            name: rows[(self.places[name] == window).to_numpy()].reset_index(drop=True)
            if name in self.places
            else rows
            for name, rows in self.tables.items()
        }

    def examined(
        self, window: str, before: Mapping[str, Frames], delivered: Frames | None = None
    ) -> Examined:
        """What the contract says of a window of the source, or of a delivery in its place.

        Args:
            window: whose batch it is.
            before: the rows of the windows before it, which say what is usual.
            delivered: rows of some tables that come as a file in place of the source.
        """
        batches = examine(self._files(delivered or {}), self._contract(window), _past(before, self))
        return Examined(
            ending=worst(batches),
            findings=tuple(each for batch in batches.values() for each in batch.findings),
            frames={
                name: batch.frame[list(batch.spec.columns)].reset_index(drop=True)
                for name, batch in batches.items()
                if set(batch.spec.columns) <= set(batch.frame)
            },
            aside={name: len(batch.reasons) for name, batch in batches.items()},
        )

    def admitted(self) -> Iterator[tuple[str, Examined]]:
        """Every window after those before it, as a feed that runs from the first day sees them."""
        before: dict[str, Frames] = {}
        for window in self.windows:
            found = self.examined(window, before)
            yield window, found
            before[window] = {**self.raw(window), **found.frames}

    def features(self, window: str, raw: Mapping[str, Frames]) -> pd.DataFrame:
        """The features of a window, by the model's builder.

        Args:
            window: whose features are built.
            raw: rows by window; those that the builder looks back on where they are there.
        """
        names = [name for name in reach(window, self._definition.features.lookback) if name in raw]
        frames = joined({name: raw[name] for name in names}, window, self.spec.data)
        return built(self._definition, frames, window)

    def known_at(self, window: str) -> datetime:
        """When a window is over and its labels are in."""
        zone = ZoneInfo(self.spec.data.timezone)
        over = datetime.combine(end_day(window), time(), zone)
        return over + self.spec.data.label.delay

    @cached_property
    def _definition(self) -> Definition:
        return Definition(self.spec.name, self.spec.features, self.spec.data)

    def _contract(self, window: str) -> Contract:
        spec, observe = self.spec, None
        if spec.data.observe is not None:
            found: Observe = resolve(spec.folder, spec.data.observe)
            observe = found
        suites = {
            name: path
            for name, table in spec.data.tables.items()
            if (path := suite_of(spec.name, name, table)) is not None
        }
        return Contract(spec.data, window, self.known_at(window), suites, observe)

    def _files(self, delivered: Frames) -> dict[str, tuple[bytes, bool]]:
        return {
            name: (_parquet(delivered[name]), False)
            if name in delivered
            else (data, name in self.places)
            for name, data in self.sources.items()
        }


def read_feed(spec: ModelSpec) -> Feed:
    """What the declared source of a model holds.

    Raises:
        DataError: a file is not there or cannot be read, or its rows tell no windows.
    """
    data = spec.data
    sources = {name: fetch(name, place) for name, place in locate(spec.name, data, {}).items()}
    batches = {name: read(found, name, data.tables[name]) for name, found in sources.items()}
    places = {
        name: _windows(batch, spec)
        for name, batch in batches.items()
        if batch.spec.calendar and data.grain != EVERYTHING
    }
    if not places:
        raise DataError(
            f"The rows of {spec.name} carry no time: there is no window after another.",
            hint="Declare `calendar` for a table whose rows have a day, and a `grain`.",
        )
    whole = [set(found.dropna()) for name, found in places.items() if not _gaps(spec, name)]
    shared = set.intersection(*whole) if whole else set()
    return Feed(
        spec=spec,
        sources=sources,
        tables={name: batch.frame for name, batch in batches.items()},
        places=places,
        windows=tuple(sorted(shared, key=first_day)),
    )


def _windows(batch: Batch, spec: ModelSpec) -> "pd.Series[str]":
    missing = [name for name in batch.spec.calendar if name not in batch.frame]
    if missing:
        raise DataError(
            f"The source of {spec.name} lacks {few(missing)} in {batch.table}: no row has a window."
        )
    return written_days(batch, spec.data.timezone).str[: _LETTERS[spec.data.grain]]


def _gaps(spec: ModelSpec, table: str) -> bool:
    return spec.data.tables[table].may_be_empty


def _past(before: Mapping[str, Frames], feed: Feed) -> Callable[[str, list[str]], Past]:
    """A reader of the windows that say what is usual, as `ingest` has one of its history."""
    kept = newest(tuple(before))

    def reader(table: str, columns: list[str]) -> Past:
        rows = {window: len(before[window][table]) for window in kept}
        if not columns or not kept:
            return Past(rows, pd.DataFrame())
        held = kept if table in feed.places else kept[-1:]  # whole each time: the newest is known
        known = [name for name in columns if name != WINDOW]
        frames = [before[window][table][known].assign(**{WINDOW: window}) for window in held]
        return Past(rows, pd.concat(frames, ignore_index=True))

    return reader


def _parquet(frame: pd.DataFrame) -> bytes:
    sink = io.BytesIO()
    frame.to_parquet(sink, index=False)
    return sink.getvalue()
