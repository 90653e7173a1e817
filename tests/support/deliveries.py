"""A home with a half year of flights in it, and deliveries that are tried against it."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pandas as pd

from infra import store
from tasks.data import commit, inspect, read_history, receive
from tasks.data.inspection import examine
from tasks.data.publishing import past_of, publish
from tasks.data.sources import contents, contract_of
from tasks.data.spec import DataSpec
from tasks.references import Delivery, Ending, Finding, Inspection, Manifest
from tasks.spec import load_spec
from tasks.windows import end_day
from tests.support.stack import surroundings

BAD_INPUT = Path(__file__).parents[1] / "bad_input"
GOOD = BAD_INPUT / "00_good_2013-07-10.csv"
DAY = "2013-07-10"
HALF_A_YEAR = tuple(f"2013-{month:02}" for month in range(1, 7))
_UNCOMPARED: Final = {
    "stable": (),
    "recurring": (),
    "grids": (),
    "mixes": (),
    "clocks": None,
    "course": None,
    "week": None,
}
_NOBODY = "http://127.0.0.1:1"


@contextmanager
def offline_home(folder: Path) -> Iterator[Path]:
    """A home without any server, whose steps are called as plain functions."""
    environment = {
        "PERENNIAL_HOME": str(folder),
        "PREFECT_API_URL": f"{_NOBODY}/api",
        "MLFLOW_TRACKING_URI": _NOBODY,
        "PERENNIAL_PAGES_URL": _NOBODY,
        "PREFECT_HOME": str(folder / "prefect"),
    }
    (folder / "prefect").mkdir(parents=True, exist_ok=True)
    if "PERENNIAL_MODELS" in os.environ:
        environment["PERENNIAL_MODELS"] = os.environ["PERENNIAL_MODELS"]
    with surroundings(environment):
        yield folder


def closing_time(window: str) -> datetime:
    """When a window's batch is ingested: the morning after its last day."""
    end = end_day(window)
    return datetime(end.year, end.month, end.day, 6, tzinfo=UTC)


def received(
    window: str, files: dict[str, str] | None = None, model: str = "flights", late: int = 0
) -> Delivery:
    """A delivery of a window, `late` days after it closed."""
    as_of = closing_time(window) + timedelta(days=late)
    return receive.fn(model, load_spec(model).data, window, as_of, files or {})


def inspected(delivery: Delivery, data: DataSpec | None = None) -> Inspection:
    """What the contract says of a delivery, with the history before it."""
    history = read_history.fn(delivery.model, delivery.as_of)
    declared = data or load_spec(delivery.model).data
    return inspect.fn(delivery, history.before(delivery.window), declared)


def ingested(
    window: str, files: dict[str, str] | None = None, model: str = "flights", late: int = 0
) -> Manifest:
    """The manifest of a window that goes through."""
    inspection = inspected(received(window, files, model, late))
    assert inspection.ending.severity <= Ending.QUARANTINE.severity, inspection.findings
    return commit.fn(inspection)


def tried(
    folder: Path, content: bytes, table: str = "flights", window: str = DAY, name: str = "delivery"
) -> Inspection:
    """What the contract says of bytes that are delivered for a table.

    The other tables are the source's own, so nothing compares them with their past, and no suite
    is held against them: that takes two thirds of the time, and the files of `bad_input` are held
    to all of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    delivery = received(window, {table: str(path)})
    before = read_history.fn(delivery.model, delivery.as_of).before(window)
    declared = _compared(table)
    contract = contract_of(delivery, declared)
    suites = {named: suite for named, suite in contract.suites.items() if named == table}
    batches = examine(
        contents(delivery, declared), replace(contract, suites=suites), past_of(before)
    )
    return publish(delivery, batches, before)


def _compared(table: str) -> DataSpec:
    """The flights' declaration, in which one table alone is compared with its past."""
    data = load_spec("flights").data
    tables = {
        name: each if name == table else each.model_copy(update=_UNCOMPARED)
        for name, each in data.tables.items()
    }
    return data.model_copy(update={"tables": tables})


def good_rows() -> pd.DataFrame:
    """The control's flights as text, cell by cell."""
    return pd.read_csv(GOOD, dtype="str", keep_default_na=False)


def source_rows(table: str, day: str = DAY) -> pd.DataFrame:
    """The rows of a day as the repository's source has them."""
    spec = load_spec("flights")
    frame = pd.read_parquet(spec.folder / spec.data.tables[table].path)
    if not spec.data.tables[table].calendar:
        return frame
    year, month, number = (int(part) for part in day.split("-"))
    kept = (frame["year"] == year) & (frame["month"] == month) & (frame["day"] == number)
    return frame[kept].reset_index(drop=True)


def as_csv(frame: pd.DataFrame, delimiter: str = ",") -> bytes:
    """Rows as CSV, byte for byte what was asked for."""
    sink = io.StringIO()
    frame.to_csv(sink, index=False, sep=delimiter, lineterminator="\n")
    return sink.getvalue().encode()


def standing(model: str = "flights") -> dict[str, object]:
    """What readers can see: the manifests and the versions of the tables."""
    tables = load_spec(model).data.tables
    history = read_history.fn(model, datetime.max.replace(tzinfo=UTC))
    locations = {table: store.uri("raw", model, table) for table in tables}
    return {
        "history": history.digest,
        **{
            table: store.current_version(location) if store.exists(location) else None
            for table, location in locations.items()
        },
    }


def told(findings: tuple[Finding, ...]) -> str:
    """Every message and example of some findings, to look for words in."""
    return "\n".join(" ".join((each.table, each.message, *each.examples)) for each in findings)
