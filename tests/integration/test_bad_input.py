"""Every file of tests/bad_input through ``ingest``: half a year before it, a champion in charge."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from infra import store
from infra.entries import Kind
from infra.errors import DataError
from tasks.data import commit, refusal
from tasks.governance import read_evidence
from tasks.references import Ending
from tests.support.deliveries import BAD_INPUT, DAY, inspected, received, standing, told
from tests.support.stack import Stack
from tests.support.watched_ingests import Feed, Ingest, feed_with_champion

CASES = list(csv.DictReader((BAD_INPUT / "MANIFEST.csv").read_text("utf-8").splitlines()))
VERDICTS = {"accept+warn": Ending.WARN} | {each.value: Ending(each.value) for each in Ending}
FILES = [case["file"] for case in CASES]
WHOLE_YEAR = "50_good_midnight_2400.csv"
DST_DAY = "43_weather_dst_hour.csv"

SAYS = {
    "02_truncated.csv": "row 605 (line 606), is incomplete: 12 of 19 fields and no final newline",
    "03_shifted_columns.csv": "first: row 300 (line 301)",
    "04_ragged_rows.csv": "row 120 (line 121)",
    "07_utf16_tab.txt": "UTF-16 with a tab as delimiter",
    "08_semicolon_decimal_comma.csv": "the delimiter is a semicolon and decimal commas",
    "09_duplicates_60.csv": "60 of 1064 rows (6%) are exact copies",
    "10_batch_twice.csv": "1004 of 2008 rows (50%) are exact copies",
    "12_yesterday_again_2013-07-10.csv": "outside the window 2013-07-10, dated 2013-07-09 (1001)",
    "13_distance_in_km.csv": "by a factor of 1.609",
    "14_weather_celsius.csv": "temp and dewp in Fahrenheit imply the humidity",
    "16_new_origin.csv": "origin = 'SWF'",
    "17_all_null_column.csv": "sched_arr_time is required and empty in all 1004 rows",
    "18_dropped_column.csv": "1 column missing: distance",
    "19_renamed_columns.csv": "'crs_dep_time' is likely sched_dep_time, ' Carrier ' is likely",
    "20_future_timestamps.csv": "150 rows outside the window 2013-07-10, dated 2031-07-10 (150)",
    "21_leak_column.csv": "1 undeclared column: 'otp_code'",
    "22_mixed_types.csv": "dep_delay = '92 min'",
    "24_header_only.csv": "There are no rows for 2013-07-10",
    "25_empty_file.csv": "The file is empty: 0 bytes",
    "26_truncated.csv.gz": "The gzip file is damaged or cut off",
    "27_wrong_magic.parquet": "It begins with b'PAR2",
    "28_truncated.parquet": "The Parquet file has no footer",
    "29_types_changed.parquet": "distance is string in the file, where int is declared",
    "30_formula_and_html_cells.csv": "a registration such as N14228",
    "32_timezone_shifted.csv": "1004 of 1004 rows (100%) would be set aside",
    "33_labels_missing.csv": "arr_delay is empty in 100% of the rows, usually in 3%",
    "35_only_jfk.csv": "36% of the usual",
    "37_footer_line.csv": "1 row with 1 field where the header has 19; first: row 1005",
    "38_open_quote.csv": "A quote that opens in line 51",
    "39_nul_bytes.csv": "512 NUL bytes, the first at byte 30000 in line 333",
    "41_weather_gap.csv": "9 points of time_hour are missing for origin EWR",
    "45_zip_slip.zip": "a path that leaves its folder",
    "46_pickle_named.parquet": "The file is a Python pickle",
    "48_rows.jsonl": "row 300 (line 300), is incomplete",
}
ASIDE = {
    "03_shifted_columns.csv": 705,
    "04_ragged_rows.csv": 2,
    "12_yesterday_again_2013-07-10.csv": 1001,
    "16_new_origin.csv": 100,
    "20_future_timestamps.csv": 150,
    "22_mixed_types.csv": 122,
    "30_formula_and_html_cells.csv": 4,
    "32_timezone_shifted.csv": 1004,
    "37_footer_line.csv": 1,
}


Delivered = Callable[[str], Ingest]


@pytest.fixture(scope="module")
def feed(
    stack: Stack, _half_a_year: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Feed]:
    """Half a year of flights, and a champion."""
    with feed_with_champion(stack, _half_a_year, tmp_path_factory.mktemp("feed")) as found:
        yield found


@pytest.fixture
def delivered(feed: Feed) -> Iterator[Delivered]:
    """What the flow does with a file; the test runs where it did it."""
    with feed.entered():
        yield lambda file: feed.ingest(*_asked(file))


def _asked(file: str) -> tuple[str, str, Path]:
    """The window that a file is delivered for, its table, and where it lies."""
    window = {WHOLE_YEAR: "2013", DST_DAY: "2013-11-03"}.get(file, DAY)
    return window, "weather" if "weather" in file else "flights", BAD_INPUT / file


@pytest.mark.parametrize("case", CASES, ids=FILES)
def test_a_delivered_file_ends_as_its_manifest_says(
    delivered: Delivered, case: dict[str, str]
) -> None:
    """Verdict, message, rows set aside."""
    file = case["file"]

    inspection = delivered(file).inspection

    findings = inspection.findings
    if file == WHOLE_YEAR:  # the year's weather has faults of its own
        findings = tuple(each for each in findings if each.table == "flights")
        assert findings == ()
    else:
        assert inspection.ending is VERDICTS[case["verdict"]], told(findings)
        assert inspection.quarantined.get("flights", 0) == ASIDE.get(file, 0)
    assert SAYS.get(file, "") in told(findings)
    assert bool(findings) is (file in SAYS)
    for table, location in inspection.quarantine_uris.items():
        kept = pd.read_parquet(location)
        assert len(kept) == inspection.quarantined[table]
        assert kept["_reason"].str.len().gt(0).all()
        assert kept["_line"].ge(1).all()


@pytest.mark.parametrize("file", FILES)
def test_a_delivered_file_moves_nothing_but_its_window_and_the_record(
    delivered: Delivered, file: str
) -> None:
    """The champion in ledger, MLflow and what serves, other windows, older entries: as before."""
    done = delivered(file)

    (entry,) = done.recorded
    assert done.before.champion == (1, 1, 1)
    assert done.after.beside(done.window) == done.before.beside(done.window)
    assert done.after.verified == entry.id == done.before.verified + 1
    assert (entry.model, entry.actor) == ("flights", "contract")
    assert (entry.evidence, entry.payload["window"]) == (done.inspection.digest, done.window)
    assert entry.payload["ending"] == done.inspection.ending.value


@pytest.mark.parametrize("file", FILES)
def test_the_flow_does_with_a_delivered_file_what_its_verdict_asks(
    delivered: Delivered, file: str
) -> None:
    """Rows go on, a person is asked, or the run fails: each with the record that says so."""
    done = delivered(file)

    (entry,), ending = done.recorded, done.inspection.ending
    committed = done.after.files != done.before.files
    if ending is Ending.REJECT:
        error = done.state.result(raise_on_failure=False)
        assert str(error) == str(refusal(done.inspection))
        assert (entry.kind, committed, done.reviews) == (Kind.REFUSAL, False, ())
    elif ending is Ending.HOLD:
        (review,) = done.reviews
        evidence = read_evidence.fn(review.parameters["evidence"])
        assert done.state.name == "Held"
        assert (entry.kind, committed) == (Kind.HOLD, False)
        assert evidence.payload["inspection"] == done.inspection.model_dump(mode="json")
    else:
        assert done.state.name == ending.state
        assert (entry.kind, committed, done.reviews) == (Kind.INGEST, True, ())
        assert len(done.after.files[done.window]) == len(done.inspection.staged) + 1


@pytest.mark.parametrize("file", [case["file"] for case in CASES if case["verdict"] == "reject"])
def test_a_rejected_file_is_committed_by_nobody(delivered: Delivered, file: str) -> None:
    """The error says why and where the report is; tables and manifests stay as they were."""
    inspection = delivered(file).inspection
    before = standing()

    with pytest.raises(DataError) as caught:
        commit.fn(inspection)

    assert inspection.staged == ()
    assert inspection.report_url in str(caught.value)
    assert standing() == before


def test_order_marks_and_copies_change_no_digest(delivered: Delivered) -> None:
    """The control, its rows and columns shuffled, with a BOM, and with copies: one content."""
    files = (
        "00_good_2013-07-10.csv",
        "01_good_reordered.csv",
        "05_bom.csv",
        "09_duplicates_60.csv",
    )

    digests = [[table.digest for table in delivered(file).inspection.staged] for file in files]

    assert digests[0] == digests[1] == digests[2] == digests[3]
    assert len(digests[0]) == 5


def test_what_a_spreadsheet_or_a_browser_would_run_is_shown_and_not_run(
    delivered: Delivered,
) -> None:
    """Formulas are quoted in the CSV of the rows set aside, markup is escaped on the page."""
    inspection = delivered("30_formula_and_html_cells.csv").inspection

    page = store.get_bytes(inspection.report_uri).decode()
    cells = store.get_bytes(inspection.report_uri.replace(".html", "-flights.csv")).decode()
    assert "<img" not in page
    assert "<script" not in page
    assert 'http-equiv="Content-Security-Policy"' in page
    assert "'=HYPERLINK" in cells
    assert ",@SUM" not in cells
    assert ",+1+cmd" not in cells


def test_the_same_file_is_inspected_to_the_same_evidence(feed: Feed, delivered: Delivered) -> None:
    """Nothing of the clock or the machine is in a verdict."""
    window, table, file = _asked("22_mixed_types.csv")

    first = delivered(file.name).inspection
    feed.restore(window)
    second = inspected(received(window, {table: str(file)}))

    assert first == second
