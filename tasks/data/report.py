"""The page that says what the contract found in a delivery: offline, escaped, always the same."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from infra import store
from infra.addresses import addresses
from infra.settings import settings
from tasks.data.batch import Batch, plain
from tasks.data.inspection import worst
from tasks.data.quarantine import as_csv
from tasks.references import Delivery, Ending

_LEADS: Final = {
    Ending.ACCEPT: "Every check passes. The rows may be committed.",
    Ending.WARN: "The rows may be committed. What is listed below is worth a look.",
    Ending.QUARANTINE: "Bad rows are set aside, each with its reason. The others may be committed.",
    Ending.HOLD: "Nothing goes on until a person has decided. No table was changed; "
    "the ledger keeps the decision.",
    Ending.REJECT: "Nothing was ingested. No table has changed. Ask for a new delivery.",
}
_TITLES: Final = {
    Ending.ACCEPT: "The delivery is accepted",
    Ending.WARN: "The delivery is accepted with a warning",
    Ending.QUARANTINE: "The delivery is accepted without its bad rows",
    Ending.HOLD: "The delivery is held for a person",
    Ending.REJECT: "The delivery is rejected",
}


@dataclass(frozen=True)
class Report:
    """Where the page lies and where people open it."""

    path: Path
    url: str


def write_report(
    delivery: Delivery, batches: dict[str, Batch], aside: dict[str, pd.DataFrame], digest: str
) -> Report:
    """The report of an inspection: a page, the same as JSON, and the rows set aside as CSV.

    Args:
        delivery: what was inspected.
        batches: its tables with their findings.
        aside: table to the rows set aside.
        digest: what names the inspection, in the ledger too; with the time of the ingest it names
            the files, so that a window ingested again leaves the earlier page where it is.
    """
    folder = settings().home / "reports" / delivery.model / "ingest"
    name = f"{delivery.window}-{store.digest_of(digest, delivery.as_of)[:12]}"
    links = {table: f"{name}-{table}.csv" for table in aside}
    for table, frame in aside.items():
        store.put_bytes(str(folder / links[table]), as_csv(frame))
    page = describe(delivery, batches, links, digest)
    text = json.dumps(_plain(page), indent=2, ensure_ascii=False)
    store.put_bytes(str(folder / f"{name}.json"), text.encode())
    path = folder / f"{name}.html"
    store.put_bytes(str(path), render(page).encode())
    return Report(path, addresses().page(path))


def describe(
    delivery: Delivery, batches: dict[str, Batch], links: dict[str, str], digest: str
) -> dict[str, Any]:
    """What the page shows, worst findings first."""
    ending = worst(batches)
    findings = [finding for batch in batches.values() for finding in batch.findings]
    return {
        "model": delivery.model,
        "window": delivery.window,
        "as_of": delivery.as_of.isoformat(timespec="minutes"),
        "ending": ending.value,
        "title": _TITLES[ending],
        "lead": _LEADS[ending],
        "digest": digest,
        "tables": [_table(delivery, batch, links) for batch in batches.values()],
        "findings": sorted(findings, key=lambda each: -each.ending.severity),
    }


def render(page: dict[str, Any]) -> str:
    """The page as HTML; whatever a cell held, it is shown and never run."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("report.html.j2").render(page=page)


def _table(delivery: Delivery, batch: Batch, links: dict[str, str]) -> dict[str, Any]:
    return {
        "name": batch.table,
        "file": plain(Path(delivery.files[batch.table]).name, 120),
        "digest": delivery.digests[batch.table],
        "delivered": batch.delivered,
        "dropped": batch.dropped,
        "aside": len(batch.reasons),
        "kept": len(batch.frame),
        "ending": worst({batch.table: batch}).value,
        "csv": links.get(batch.table, ""),
    }


def _plain(page: dict[str, Any]) -> dict[str, Any]:
    return {**page, "findings": [each.model_dump(mode="json") for each in page["findings"]]}
