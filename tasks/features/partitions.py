"""The feature table of a model: one partition for each window, built once for what it is made of.

A partition is named by the digest of what went in: the builder's code, the declaration, the
manifests of its window and of those that the builder looks back on. So a new window costs one
window, and a corrected one costs itself and those that look back on it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from infra import store
from infra.errors import ConfigError, DataError, IntegrityError, PerennialError
from infra.identity import lock_digest
from infra.plugins import resolve
from infra.settings import settings
from tasks.data.spec import DataSpec
from tasks.features.contract import LABEL_TIME, checked
from tasks.features.spec import FeatureSpec
from tasks.references import Ending, FeaturePart, FeatureTable, History, Incident, Manifest
from tasks.windows import EVERYTHING, first_day, grain_of, window_before

Frames = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Definition:
    """What makes the features of a model: its builder and what it is told."""

    model: str
    features: FeatureSpec
    data: DataSpec

    @property
    def digest(self) -> str:
        """SHA-256 of builder, declaration and lock; another definition has another table."""
        module = self.features.builder.partition(":")[0].replace(".", "/")
        path = settings().models / self.model / f"{module}.py"
        calendars = {name: table.calendar for name, table in self.data.tables.items()}
        code = store.file_digest(path) if path.is_file() else ""
        return store.digest_of(self.features, self.data.label, calendars, code, lock_digest())

    @property
    def place(self) -> str:
        """URI of the folder that holds the rows and the records of their partitions."""
        return store.uri("features", self.model, self.digest[:16])

    @property
    def rows_uri(self) -> str:
        """URI of the Delta table."""
        return f"{self.place}/rows"

    def record_uri(self, part: str) -> str:
        """URI of what is known of a partition, by its digest."""
        return f"{self.place}/parts/{part}.json"


@dataclass(frozen=True)
class Made:
    """What a partition is made of: its own manifest and those that the builder looks back on."""

    digest: str
    manifests: tuple[Manifest, ...]

    @property
    def window(self) -> str:
        """The partition's own window, which comes last."""
        return self.manifests[-1].window


def build(history: History, features: FeatureSpec, data: DataSpec) -> FeatureTable:
    """The features of every window of a history, of which only what is new is built.

    Raises:
        ConfigError: the builder does not import, raises, or breaks its contract.
        DataError: there is no window, or the rows cannot be used.
    """
    if not history.manifests:
        raise DataError(
            f"Nothing of {history.model} was ingested as of {history.as_of:%Y-%m-%d %H:%M}.",
            hint=f"Run `prefect deployment run 'ingest/{history.model}'` first.",
        )
    definition = Definition(history.model, features, data)
    wanted = tuple(_made(history, definition))
    held = store.partitions(definition.rows_uri)
    missing = [made for made in wanted if not _stands(definition, made, held)]
    for made, frames in _raw_frames(missing, data):
        _write(definition, made, built(definition, frames, made.window))
    return _table(history, definition, wanted)


def _made(history: History, definition: Definition) -> Iterator[Made]:
    manifests = {manifest.window: manifest for manifest in history.manifests}
    for window in sorted(manifests):
        names = reach(window, definition.features.lookback)
        used = tuple(manifests[name] for name in names if name in manifests)
        digests = [manifest.digest for manifest in used]
        yield Made(store.digest_of(definition.digest, window, digests), used)


def reach(window: str, lookback: int) -> tuple[str, ...]:
    """A window and those before it that its builder reads, oldest first."""
    names = [window]
    for _ in range(lookback if window != EVERYTHING else 0):
        names.insert(0, window_before(first_day(names[0]), grain_of(window)))
    return tuple(names)


def _stands(definition: Definition, made: Made, held: dict[str, set[str]]) -> bool:
    location = definition.record_uri(made.digest)
    if not store.exists(location):
        return False
    empty = json.loads(store.get_bytes(location))["rows"] == 0
    return empty or made.digest in held.get(made.window, set())


def _raw_frames(missing: list[Made], data: DataSpec) -> Iterator[tuple[Made, Frames]]:
    """What each missing partition is built from; every raw window is read once."""
    kept: dict[str, Frames] = {}
    for made in missing:
        kept = {
            manifest.window: kept.get(manifest.window)
            or _read(manifest, data, own=manifest.window == made.window)
            for manifest in made.manifests
        }
        yield made, joined(kept, made.window, data)


def _read(manifest: Manifest, data: DataSpec, *, own: bool) -> Frames:
    frames = {}
    for table in manifest.tables:
        if not own and not data.tables[table.table].calendar:
            continue  # delivered whole each time: the window's own copy is the one that counts
        rows = store.read_windows(table.uri, table.version, [table.window], digest=table.digest)
        if len(rows) != table.rows:
            raise IntegrityError(
                f"{table.uri} at version {table.version} holds {len(rows):,} rows of "
                f"{table.window}, but its manifest names {table.rows:,}."
            )
        frames[table.table] = rows
    return frames


def joined(kept: Mapping[str, Frames], window: str, data: DataSpec) -> Frames:
    """The tables that a window's builder reads: its own rows after those that it looks back on.

    Args:
        kept: raw rows by window, oldest first, the window's own last.
        window: whose features are built.
        data: the feed.
    """
    together = {}
    for name in kept[window]:
        parts = list(kept.values()) if data.tables[name].calendar else [kept[window]]
        frames = [frames[name] for frames in parts if name in frames]
        together[name] = pd.concat(frames, ignore_index=True)
    return together


def built(definition: Definition, frames: Frames, window: str) -> pd.DataFrame:
    """The feature rows of a window, by the model's own builder, as every stage reads them.

    Raises:
        ConfigError: the builder does not import, raises, or breaks its contract.
        DataError: the rows cannot be used.
    """
    features = definition.features
    builder: Callable[..., Any] = resolve(settings().models / definition.model, features.builder)
    try:
        rows = builder(frames, window)
    except PerennialError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{features.builder} of {definition.model} fails on {window}: "
            f"{type(error).__name__}: {' '.join(str(error).split())}.",
            hint="Call it on the window's tables in a Python session to see where.",
        ) from error
    return checked(rows, features, definition.data.label, window)


def _write(definition: Definition, made: Made, rows: pd.DataFrame) -> None:
    store.write_window(definition.rows_uri, rows, made.window, made.digest, beside=True)
    known = rows[LABEL_TIME].dropna()
    record = {
        "rows": len(rows),
        "labels": len(known),
        "last_label": known.max().isoformat() if len(known) else None,
    }
    # Written last: a partition without its record is built again.
    store.put_bytes(definition.record_uri(made.digest), json.dumps(record).encode())


def _table(history: History, definition: Definition, wanted: tuple[Made, ...]) -> FeatureTable:
    version = store.current_version(definition.rows_uri)
    parts = tuple(_part(definition, made, history.as_of, version) for made in wanted)
    features = definition.features
    return FeatureTable(
        model=history.model,
        uri=definition.rows_uri,
        version=version,
        parts=parts,
        key=features.key,
        label=definition.data.label.name,
        features=features.columns,
        categorical=features.categorical,
        as_of=history.as_of,
        history=history.digest,
        incidents=tuple(_incidents(history)),
        digest=store.digest_of(definition.digest, parts),
    )


def _incidents(history: History) -> Iterator[Incident]:
    for manifest in history.manifests:
        if manifest.ending.severity >= Ending.QUARANTINE.severity:
            yield Incident(
                window=manifest.window,
                ending=manifest.ending,
                rows=manifest.rows,
                set_aside=sum(manifest.quarantined.values()),
                approval=manifest.approval,
            )


def _part(definition: Definition, made: Made, as_of: datetime, version: int) -> FeaturePart:
    record = json.loads(store.get_bytes(definition.record_uri(made.digest)))
    labelled = record["labels"]
    if record["last_label"] and datetime.fromisoformat(record["last_label"]) > as_of:
        times = store.read_windows(
            definition.rows_uri, version, [made.window], [LABEL_TIME], digest=made.digest
        )[LABEL_TIME]
        labelled = int((times <= pd.Timestamp(as_of)).sum())
    own = made.manifests[-1]
    return FeaturePart(
        window=made.window,
        digest=made.digest,
        rows=record["rows"],
        labelled=labelled,
        data=own.digest,
        delivered=own.rows,
    )
