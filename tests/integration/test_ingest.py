"""From a delivery to a manifest: once, whole, and in the order of what was known."""

import gzip
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from infra import store
from infra.errors import ConfigError, DataError, IntegrityError
from tasks.data import commit, inspect, read_history, receive
from tasks.data.manifests import manifests_uri
from tasks.references import Ending
from tasks.spec import load_spec
from tests.support.deliveries import (
    DAY,
    GOOD,
    as_csv,
    closing_time,
    good_rows,
    ingested,
    inspected,
    offline_home,
    received,
    source_rows,
    standing,
    told,
)

FLIGHTS = {"flights": str(GOOD)}


@pytest.fixture(autouse=True)
def _feed(tmp_path: Path) -> Iterator[None]:
    with offline_home(tmp_path / "home"):
        yield


def _delivered(folder: Path, name: str, content: bytes) -> dict[str, str]:
    path = folder / name
    path.write_bytes(content)
    return {"flights": str(path)}


def test_the_same_window_again_writes_nothing() -> None:
    """Ingest is idempotent: one manifest, and tables at the versions they had."""
    first = ingested(DAY)
    before = standing()

    again = ingested(DAY, FLIGHTS, late=3)

    assert again == first
    assert standing() == before
    assert len(store.read_windows(manifests_uri("flights"), None, [DAY])) == 1


def test_a_later_ingest_of_a_window_leaves_the_earlier_report_where_it_is(tmp_path: Path) -> None:
    """Each page says its own time, and every link that anybody was given stays alive."""
    rows = good_rows()
    rows.loc[3:9, "distance"] = "far"
    files = _delivered(tmp_path, "day.csv", as_csv(rows))

    first, later = (inspected(received(DAY, files, late=days)) for days in (0, 2))

    pages = [store.get_bytes(each.report_uri).decode() for each in (first, later)]
    assert first.report_url != later.report_url
    assert ["as of 2013-07-11 06:00 UTC" in page for page in pages] == [True, False]
    assert ["as of 2013-07-13 06:00 UTC" in page for page in pages] == [False, True]
    for each, page in zip((first, later), pages, strict=True):
        links = re.findall(r'href="([^"]+)"', page)
        assert len(links) == 1
        assert all((Path(each.report_uri).parent / link).is_file() for link in links)
        assert each.digest in page


def test_a_day_without_weather_is_a_warning_alone_as_it_is_in_its_month() -> None:
    """None was published for 31 December 2013: a gap, whatever window it is asked for in."""
    inspection = inspected(received("2013-12-31"))

    assert inspection.ending is Ending.WARN
    assert "weather The source has no rows for 2013-12-31" in told(inspection.findings)
    assert {each.table: each.rows for each in inspection.staged}["flights"] == 776
    assert inspection.quarantined == {}
    manifest, before = commit.fn(inspection), standing()
    assert commit.fn(inspection) == manifest
    assert standing() == before


def test_a_delivery_of_weather_without_rows_is_refused_all_the_same(tmp_path: Path) -> None:
    """A file that somebody sent and that holds nothing went wrong on its way."""
    path = tmp_path / "weather.csv"
    path.write_bytes(as_csv(source_rows("weather").head(0)))

    inspection = inspected(received("2013-12-31", {"weather": str(path)}))

    assert inspection.ending is Ending.REJECT
    assert "weather There are no rows for 2013-12-31" in told(inspection.findings)


def test_a_kill_before_the_manifest_leaves_nothing_to_see(monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest is the commit point; the next run leaves one manifest and no second version."""
    inspection = inspected(received(DAY))
    with monkeypatch.context() as killed:
        killed.setattr("tasks.data.publishing.append", _die)
        with pytest.raises(KeyboardInterrupt):
            commit.fn(inspection)
    half = standing()

    manifest = commit.fn(inspection)

    assert read_history.fn("flights", closing_time(DAY)).manifests == (manifest,)
    assert {k: v for k, v in standing().items() if k != "history"} == {
        k: v for k, v in half.items() if k != "history"
    }
    assert commit.fn(inspection) == manifest
    assert len(store.read_windows(manifests_uri("flights"), None, [DAY])) == 1


def _die(_: object) -> None:
    raise KeyboardInterrupt


def test_a_corrected_batch_supersedes_from_its_own_time_on(tmp_path: Path) -> None:
    """What was known before a correction stays what was known then, rows included."""
    first = ingested(DAY)
    fewer = _delivered(tmp_path, "corrected.csv", as_csv(good_rows().iloc[:900]))

    corrected = ingested(DAY, fewer, late=2)
    back = ingested(DAY, late=4)

    known = [
        read_history.fn("flights", closing_time(DAY) + timedelta(days=days)).manifests
        for days in (-1, 0, 1, 2, 3, 4)
    ]
    assert known == [(), (first,), (first,), (corrected,), (corrected,), (back,)]
    assert back.digest == first.digest != corrected.digest
    for manifest, rows in ((first, 1004), (corrected, 900), (back, 1004)):
        table = manifest.table("flights")
        assert len(store.read_windows(table.uri, table.version, [DAY])) == table.rows == rows


def test_a_window_of_another_length_is_refused_where_days_are_shared() -> None:
    """A day inside an ingested month would be there twice, whichever of the two came first."""
    day = inspected(received(DAY))
    ingested("2013-07")
    before = standing()

    with pytest.raises(DataError, match="shares days with 2013-07"):
        commit.fn(day)
    with pytest.raises(DataError, match="shares days with 2013-07"):
        received(DAY)

    assert standing() == before


def test_a_held_batch_is_committed_once_a_person_has_said_so() -> None:
    """Inspection alone changes no table; its rows wait in staging for the decision."""
    held = inspected(received(DAY, {"flights": str(GOOD.parent / "21_leak_column.csv")}))
    assert held.ending is Ending.HOLD
    assert read_history.fn("flights", closing_time(DAY)).manifests == ()

    manifest = commit.fn(held, "the digest of a decision")

    table = manifest.table("flights")
    assert manifest.approval == "the digest of a decision"
    assert "otp_code" not in store.read_windows(table.uri, table.version, [DAY]).columns
    assert manifest.ending is Ending.HOLD


def test_decimals_among_whole_numbers_cannot_be_committed_even_if_approved(tmp_path: Path) -> None:
    """No rounding behind anybody's back: the declaration changes or the delivery does."""
    rows = good_rows()
    rows["distance"] = (rows["distance"].astype(float) * 1.609).round(1).astype(str)
    held = inspected(received(DAY, _delivered(tmp_path, "km.csv", as_csv(rows))))

    with pytest.raises(DataError, match="Declare the column as float"):
        commit.fn(held)

    assert held.ending is Ending.HOLD


def test_the_content_digest_is_that_of_the_rows_and_not_of_the_file(tmp_path: Path) -> None:
    """CSV, gzip, Parquet, JSON Lines and the declared source give the same version."""
    frame = source_rows("flights")
    parquet, floats = io.BytesIO(), io.BytesIO()
    frame.to_parquet(parquet)
    frame.astype({"dep_time": "float64", "arr_delay": "float32"}).to_parquet(floats)
    files = {
        "day.csv": GOOD.read_bytes(),
        "day.gz": gzip.compress(GOOD.read_bytes()),
        "day.parquet": parquet.getvalue(),
        "floats.bin": floats.getvalue(),
        "day.json": frame.to_json(orient="records", lines=True).encode(),
    }

    inspections = [inspected(received(DAY, _delivered(tmp_path, *each))) for each in files.items()]
    source = inspected(received(DAY))

    digests = {each.staged[0].digest for each in (*inspections, source)}
    assert [told(each.findings) for each in inspections] == [""] * len(files)
    assert len(digests) == 1


def test_a_source_of_many_windows_gives_the_rows_of_one() -> None:
    """The repository's Parquet holds the year; rows of other days are no findings."""
    inspection = inspected(received("2013-03-10"))

    assert inspection.ending is Ending.ACCEPT
    assert {each.table: each.rows for each in inspection.staged} == {
        "flights": len(source_rows("flights", "2013-03-10")),
        "weather": len(source_rows("weather", "2013-03-10")),
        "planes": 3322,
        "airports": 1458,
        "airlines": 16,
    }


def test_a_file_that_changes_after_it_was_received_is_refused(tmp_path: Path) -> None:
    """What is inspected is what was received, by digest."""
    files = _delivered(tmp_path, "day.csv", GOOD.read_bytes())
    delivery = received(DAY, files)
    Path(files["flights"]).write_bytes(GOOD.read_bytes() + b"\n")

    with pytest.raises(DataError, match="has changed since it was received"):
        inspected(delivery)


def test_staged_rows_that_were_touched_stop_the_commit() -> None:
    """Nobody slips rows in between inspection and commit."""
    inspection = inspected(received(DAY))
    staged = Path(inspection.staged[0].uri)
    frame = pd.read_parquet(staged)
    frame["distance"] = 1
    frame.to_parquet(staged)

    with pytest.raises(IntegrityError):
        commit.fn(inspection)

    assert read_history.fn("flights", closing_time(DAY)).manifests == ()


def test_a_table_that_nobody_declared_is_named() -> None:
    """That is a mistake of the one who calls, and not of the one who delivers."""
    data = load_spec("flights").data

    with pytest.raises(ConfigError, match="no table 'wether'"):
        receive.fn("flights", data, DAY, closing_time(DAY), {"wether": str(GOOD)})


def test_an_unknown_expectation_is_an_error_and_not_a_check_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Great Expectations drops it without a word; we count."""
    suites = tmp_path / "expectations" / "flights"
    suites.mkdir(parents=True)
    (suites / "flights.json").write_text(
        '{"expectations": [{"type": "expect_column_values_to_be_betwen", '
        '"kwargs": {"column": "distance"}, "meta": {"on_failure": "warn"}}]}'
    )
    monkeypatch.setattr("tasks.data.sources.PROJECT", tmp_path)

    with pytest.raises(ConfigError, match="knows no 'expect_column_values_to_be_betwen'"):
        inspected(received(DAY))


def test_employment_goes_through_year_by_year() -> None:
    """Another grain, another calendar, one table: the same steps."""
    manifests = [ingested(str(year), model="employment") for year in (2015, 2016, 2017, 2018)]

    history = read_history.fn("employment", closing_time("2018"))
    assert [each.ending for each in manifests] == [Ending.ACCEPT] * 4
    assert history.windows == ("2015", "2016", "2017", "2018")
    assert sum(each.tables[0].rows for each in manifests) == 277_677
    assert (
        inspect.fn(
            received("2018", model="employment"),
            history.before("2018"),
            load_spec("employment").data,
        ).ending
        is Ending.ACCEPT
    )
