"""What an inspection leaves behind: staged rows, quarantined rows, a report; then the commit."""

import io
from collections.abc import Callable

import pandas as pd

from infra import store
from infra.errors import DataError, IntegrityError, few
from tasks.data.batch import Batch
from tasks.data.inspection import worst
from tasks.data.manifests import append, refuse_overlap, writing
from tasks.data.quarantine import quarantined
from tasks.data.report import write_report
from tasks.data.sources import sha256
from tasks.data.usual import Past, newest
from tasks.references import (
    Delivery,
    Ending,
    History,
    Inspection,
    Manifest,
    TableVersion,
)


def past_of(history: History) -> Callable[[str, list[str]], Past]:
    """A reader of the newest windows of a history, one table and some columns at a time."""
    windows = set(newest(history.windows))

    def read(table: str, columns: list[str]) -> Past:
        versions = [
            version
            for manifest in history.manifests
            for version in manifest.tables
            if version.table == table and version.window in windows
        ]
        rows = {version.window: version.rows for version in versions}
        if not columns or not versions:
            return Past(rows, pd.DataFrame())
        last = max(versions, key=lambda version: version.version)  # it holds the others' rows too
        held = store.columns_of(last.uri, last.version)
        known = [name for name in columns if name in held]  # others were declared since
        return Past(rows, store.read_windows(last.uri, last.version, list(rows), known))

    return read


def publish(delivery: Delivery, batches: dict[str, Batch], history: History) -> Inspection:
    """The inspection of a delivery, with its rows and its report written by content."""
    ending = worst(batches)
    findings = tuple(finding for batch in batches.values() for finding in batch.findings)
    staged = () if ending is Ending.REJECT else _stage(delivery, batches)
    aside = {table: quarantined(batch) for table, batch in batches.items() if batch.reasons}
    seen = store.digest_of(findings, [each.digest for each in staged], delivery.digests)
    digest = store.digest_of(seen, history.digest)
    report = write_report(delivery, batches, aside, digest)
    return Inspection(
        delivery=delivery,
        ending=ending,
        findings=findings,
        staged=staged,
        quarantined={table: len(frame) for table, frame in aside.items()},
        quarantine_uris={
            table: _put(frame, "quarantine", delivery.model, delivery.window, table)
            for table, frame in aside.items()
        },
        report_uri=str(report.path),
        report_url=report.url,
        digest=digest,
    )


def commit_staged(inspection: Inspection, approval: str) -> Manifest:
    """The manifest of an inspection's rows, after each table holds them.

    Args:
        inspection: what was found, with the rows that wait in staging.
        approval: digest of the ledger's entry by which a person let a held batch in, or nothing.

    Raises:
        DataError: a table has no rows that may be stored, or the window overlaps another.
        IntegrityError: the staged rows are not those that were inspected.
    """
    delivery = inspection.delivery
    missing = sorted(set(delivery.files) - {each.table for each in inspection.staged})
    if missing:
        raise DataError(
            f"The rows of {few(missing)} cannot be stored: a column holds decimals where whole "
            "numbers are declared.",
            hint="Declare the column as float in model.yaml and ingest the window again, or ask "
            "for a new delivery.",
        )
    with writing(delivery.model):
        refuse_overlap(delivery.model, delivery.window)
        tables = tuple(_commit_table(delivery, each) for each in inspection.staged)
        manifest = Manifest(
            model=delivery.model,
            window=delivery.window,
            as_of=delivery.as_of,
            ending=inspection.ending,
            tables=tables,
            quarantined=inspection.quarantined,
            report_url=inspection.report_url,
            approval=approval,
            digest=store.digest_of({each.table: each.digest for each in tables}),
        )
        return append(manifest)


def _stage(delivery: Delivery, batches: dict[str, Batch]) -> tuple[TableVersion, ...]:
    versions = []
    for table, batch in batches.items():
        if batch.unfit:
            continue
        key = list(batch.spec.key)
        frame = batch.frame[list(batch.spec.columns)].sort_values(key, kind="stable")
        versions.append(
            TableVersion(
                table=table,
                window=delivery.window,
                uri=_put(
                    frame.reset_index(drop=True), "staging", delivery.model, delivery.window, table
                ),
                version=0,
                digest=store.content_digest(frame, key),
                rows=len(frame),
            )
        )
    return tuple(versions)


def _commit_table(delivery: Delivery, staged: TableVersion) -> TableVersion:
    data = store.get_bytes(staged.uri)
    if sha256(data) not in staged.uri:
        raise IntegrityError(f"{staged.uri} does not hold the bytes that were inspected.")
    location = store.uri("raw", delivery.model, staged.table)
    frame = pd.read_parquet(io.BytesIO(data))
    version = store.write_window(location, frame, staged.window, staged.digest)
    return staged.model_copy(update={"uri": location, "version": version})


def _put(frame: pd.DataFrame, *place: str) -> str:
    sink = io.BytesIO()
    frame.to_parquet(sink, index=False)
    data = sink.getvalue()
    location = store.uri(*place, f"{sha256(data)}.parquet")
    return location if store.exists(location) else store.put_bytes(location, data)
