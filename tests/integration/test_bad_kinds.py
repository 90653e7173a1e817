"""The kinds of faults behind tests/bad_input, in other columns, tables, units and encodings."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.references import Ending
from tests.support.deliveries import GOOD, as_csv, good_rows, source_rows, told, tried

pytestmark = pytest.mark.usefixtures("half_a_year")

ACCEPT, WARN, QUARANTINE = Ending.ACCEPT, Ending.WARN, Ending.QUARANTINE
HOLD, REJECT = Ending.HOLD, Ending.REJECT


def _scaled(table: str, column: str, change: Callable[[pd.Series], pd.Series]) -> bytes:
    frame = source_rows(table)
    frame[column] = change(frame[column].astype("float64"))
    return as_csv(frame)


UNITS = {
    "kelvin": ("weather", "temp", lambda f: ((f - 32) / 1.8 + 273.15).round(2)),
    "dew point in celsius": ("weather", "dewp", lambda f: ((f - 32) / 1.8).round(1)),
    "metres a second": ("weather", "wind_speed", lambda mph: (mph * 0.44704).round(2)),
    "kilometres an hour": ("weather", "wind_speed", lambda mph: mph * 1.609344),
    "gusts in knots": ("weather", "wind_gust", lambda mph: (mph * 0.868976).round(1)),
    "inches of mercury": ("weather", "pressure", lambda hpa: (hpa * 0.02953).round(2)),
    "pascals": ("weather", "pressure", lambda hpa: hpa * 100),
    "visibility in km": ("weather", "visib", lambda miles: (miles * 1.609).round(1)),
    "a share for percent": ("weather", "humid", lambda percent: (percent / 100).round(4)),
    "radians": ("weather", "wind_dir", lambda degrees: np.radians(degrees).round(3)),
    "delay in hours": ("flights", "arr_delay", lambda minutes: (minutes / 60).round(2)),
    "whole hours": ("flights", "dep_delay", lambda minutes: (minutes / 60).round()),
    "delay in seconds": ("flights", "arr_delay", lambda minutes: minutes * 60),
    "hours in the air": ("flights", "air_time", lambda minutes: (minutes / 60).round(2)),
    "distance in metres": ("flights", "distance", lambda miles: (miles * 1609.344).round()),
    "nautical miles": ("flights", "distance", lambda miles: (miles * 0.868976).round()),
    "decimals of km": ("flights", "distance", lambda miles: (miles * 1.609344).round(1)),
}


@pytest.mark.parametrize("unit", UNITS)
def test_another_unit_is_held_for_a_person(unit: str, tmp_path: Path) -> None:
    """Whatever column it is in, and whether or not its values would pass for the old unit."""
    table, column, change = UNITS[unit]

    inspection = tried(tmp_path, _scaled(table, column, change), table)

    assert inspection.ending is HOLD, told(inspection.findings)
    assert column in told(inspection.findings)


def _cut(share: float) -> Callable[[bytes], bytes]:
    return lambda data: data[: int(len(data) * share)]


def _lines(share: float) -> Callable[[bytes], bytes]:
    return lambda data: b"".join(data.splitlines(keepends=True)[: int(1005 * share)])


def _json_lines(data: bytes) -> bytes:
    frame = pd.read_csv(io.BytesIO(data))
    return frame.to_json(orient="records", lines=True).encode()


def _zipped(*names: str) -> Callable[[bytes], bytes]:
    def pack(data: bytes) -> bytes:
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, data)
        return sink.getvalue()

    return pack


BYTES: dict[str, tuple[Callable[[bytes], bytes], Ending, str]] = {
    "gzip": (gzip.compress, ACCEPT, ""),
    "zip with one member": (_zipped("day.csv"), ACCEPT, ""),
    "crlf": (lambda data: data.replace(b"\n", b"\r\n"), ACCEPT, ""),
    "no final newline": (lambda data: data.rstrip(b"\n"), ACCEPT, ""),
    "json lines": (_json_lines, ACCEPT, ""),
    "blank lines at the end": (lambda data: data + b"\n\n", ACCEPT, ""),
    "cut early": (_cut(0.31), REJECT, "is incomplete"),
    "cut late": (_cut(0.931), REJECT, "is incomplete"),
    "cut in the last cell": (lambda data: data[:-9], REJECT, "time_hour is cut off"),
    "cut after a line": (_lines(0.72), REJECT, "of hour are not in the batch, or hardly"),
    "half of a gzip": (lambda data: gzip.compress(data)[:9000], REJECT, "gzip"),
    "flipped bits in a gzip": (
        lambda data: gzip.compress(data)[:-8] + b"\0" * 8,
        REJECT,
        "gzip file is damaged",
    ),
    "json lines cut": (lambda data: _json_lines(data)[:50_001], REJECT, "is incomplete"),
    "two members": (_zipped("a.csv", "b.csv"), REJECT, "2 files, not one"),
    "an absolute member": (_zipped("/etc/day.csv"), REJECT, "leaves its folder"),
    "a windows member": (_zipped("..\\..\\day.csv"), REJECT, "leaves its folder"),
    "an archive in an archive": (
        lambda data: gzip.compress(gzip.compress(data)),
        REJECT,
        "inside an archive",
    ),
    "utf-16": (lambda data: data.decode().encode("utf-16"), REJECT, "UTF-16 with a comma"),
    "utf-16 without a mark": (lambda data: data.decode().encode("utf-16-le"), REJECT, "UTF-16"),
    "utf-32": (lambda data: data.decode().encode("utf-32"), REJECT, "UTF-32"),
    "latin-1": (lambda data: data.replace(b"N236JB", b"N\xe936JB"), REJECT, "not utf-8"),
    "tabs": (lambda data: data.replace(b",", b"\t"), REJECT, "delimiter is a tab"),
    "pipes": (lambda data: data.replace(b",", b"|"), REJECT, "delimiter is a pipe"),
    "no header": (lambda data: data.split(b"\n", 1)[1], REJECT, "first line is no header"),
    "one nul": (lambda data: data[:777] + b"\0" + data[777:], REJECT, "1 NUL bytes"),
    "a web page": (lambda _: b"<!doctype html><p>503", REJECT, "HTML"),
    "a json array": (lambda data: b"[" + _json_lines(data) + b"]", REJECT, "JSON array"),
    "excel": (_zipped("[Content_Types].xml"), REJECT, "Excel"),
    "spaces": (lambda _: b" \n \n", REJECT, ""),
    "an open quote late": (
        lambda data: data.replace(b",LGA,", b',"LGA,', 1),
        REJECT,
        "never closed",
    ),
    "two stray quotes in two lines": (
        lambda data: data.replace(b",N236JB,", b',"N236JB,', 1).replace(b",MEM,", b',MEM",', 1),
        REJECT,
        "A quote",
    ),
    "a tar": (lambda data: b"\0" * 257 + b"ustar" + data, REJECT, "Take the table out of it"),
    "pretty json": (
        lambda _: b'{\n  "year": 2013\n}\n',
        REJECT,
        "each row an object on a line of its own",
    ),
    "a gzip with a tail": (lambda data: gzip.compress(data) + b"tail", REJECT, "no gzip"),
    "gzip in members": (
        lambda data: gzip.compress(data[:-999]) + gzip.compress(data[-999:]),
        ACCEPT,
        "",
    ),
    "a footer without a newline": (lambda data: data + b"Total rows: 1004", QUARANTINE, "1005"),
}


@pytest.mark.parametrize("kind", BYTES)
def test_bytes_are_told_by_what_they_are(kind: str, tmp_path: Path) -> None:
    """Packed, encoded, cut or damaged: an ending and a sentence, whatever the file's name."""
    change, ending, words = BYTES[kind]

    inspection = tried(tmp_path, change(GOOD.read_bytes()))

    assert inspection.ending is ending, told(inspection.findings)
    assert words in told(inspection.findings)


def _rows(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[], bytes]:
    return lambda: as_csv(change(good_rows()))


def _set(rows: slice, **cells: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        for column, value in cells.items():
            frame.loc[rows, column] = value
        return frame

    return change


ROWS: dict[str, tuple[Callable[[], bytes], Ending, str]] = {
    "label column gone": (_rows(lambda f: f.drop(columns="arr_delay")), REJECT, "arr_delay"),
    "key column empty": (_rows(_set(slice(None), carrier="")), REJECT, "carrier is required"),
    "renamed": (
        _rows(lambda f: f.rename(columns={"tailnum": "tail_num"})),
        REJECT,
        "'tail_num' is likely tailnum",
    ),
    "wrong case": (_rows(lambda f: f.rename(columns=str.upper)), REJECT, "no header"),
    "two more columns": (_rows(lambda f: f.assign(a="1", b="2")), HOLD, "2 undeclared columns"),
    "column twice": (
        lambda: GOOD.read_bytes().replace(b"air_time,distance", b"distance,distance", 1),
        REJECT,
        "twice",
    ),
    "words in numbers": (_rows(_set(slice(3, 9), distance="far")), QUARANTINE, "distance = 'far'"),
    "NaN": (_rows(_set(slice(3, 9), sched_dep_time="NaN")), QUARANTINE, "'NaN'"),
    "a date without a zone": (
        _rows(_set(slice(3, 9), time_hour="2013-07-10T09:00:00")),
        QUARANTINE,
        "time_hour is no timestamp",
    ),
    "no day of the calendar": (_rows(_set(slice(0, 9), day="41")), QUARANTINE, "2013-07-41"),
    "markup in a carrier": (_rows(_set(slice(2, 3), carrier="<b>")), QUARANTINE, "carrier = "),
    "text that turns around": (
        _rows(_set(slice(2, 3), dest="\u202eLTA")),
        QUARANTINE,
        "\\u202eLTA",
    ),
    "the first year": (
        _rows(_set(slice(3, 9), time_hour="0001-01-01T00:00:00Z")),
        QUARANTINE,
        "the local hour",
    ),
    "a year of 17 digits": (_rows(_set(slice(3, 9), year="9" * 17)), QUARANTINE, "no day (7)"),
    "a very long cell": (_rows(_set(slice(2, 3), dest="A" * 200_000)), QUARANTINE, "three capital"),
    "tail numbers as numbers": (
        _rows(lambda f: f.assign(tailnum=[str(100 + each) for each in range(len(f))])),
        REJECT,
        "a registration such as N14228",
    ),
    "one delay in twenty with its sign changed": (
        _rows(lambda f: f.assign(arr_delay=_signs_changed(f["arr_delay"]))),
        HOLD,
        "arr_delay is the minutes between the clock times",
    ),
    "one arrival in twenty without an outcome": (
        _rows(_set(slice(7, None, 20), arr_time="", arr_delay="", air_time="")),
        HOLD,
        "95% of the flights that left have an arrival",
    ),
    "a formula in dest": (_rows(_set(slice(2, 3), dest="=1+1")), QUARANTINE, "=1+1"),
    "an unknown airline": (_rows(_set(slice(0, 50), carrier="ZZ")), QUARANTINE, "airlines"),
    "midnight as 0": (_rows(_set(slice(0, 5), dep_time="0")), QUARANTINE, "dep_time"),
    "an unknown origin for most": (_rows(_set(slice(0, 500), origin="SWF")), REJECT, "SWF"),
    "half twice": (
        _rows(lambda f: pd.concat([f, f.head(502)])),
        REJECT,
        "delivered more than once",
    ),
    "keys that contradict": (
        _rows(lambda f: pd.concat([f, f.head(7).assign(distance="99")])),
        QUARANTINE,
        "share a key",
    ),
    "without an origin": (_rows(lambda f: f[f["origin"] != "LGA"]), REJECT, "origin"),
    "without a carrier": (_rows(lambda f: f[f["carrier"] != "UA"]), REJECT, "carrier"),
    "a third of the rows": (_rows(lambda f: f.iloc[::3]), REJECT, "of the usual"),
    "three rows in ten missing": (
        _rows(lambda f: f[f.index % 10 > 2]),
        HOLD,
        "No holiday is near: rows are missing",
    ),
    "another month": (_rows(lambda f: f.assign(month="8")), REJECT, "2013-08-10"),
    "arrivals of two thirds missing": (
        _rows(_set(slice(0, 670), arr_delay="", arr_time="", air_time="")),
        HOLD,
        "the mean of the observed arrived is",
    ),
    "an hour off": (
        _rows(lambda f: f.assign(time_hour=_moved(f["time_hour"], hours=1))),
        REJECT,
        "local hour",
    ),
}


def _signs_changed(delays: pd.Series) -> pd.Series:
    minutes = pd.to_numeric(delays)
    changed = minutes.where(minutes.index % 20 != 3, -minutes)
    return changed.map(lambda each: "" if pd.isna(each) else f"{each:.0f}")


def _moved(times: pd.Series, hours: int) -> pd.Series:
    moved = pd.to_datetime(times) + pd.Timedelta(hours=hours)
    return moved.dt.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("kind", ROWS)
def test_rows_and_columns_end_as_their_fault_asks(kind: str, tmp_path: Path) -> None:
    """What can be told row by row is set aside; what is true of all of them is not."""
    make, ending, words = ROWS[kind]

    inspection = tried(tmp_path, make())

    assert inspection.ending is ending, told(inspection.findings)
    assert words in told(inspection.findings)


def _weather(change: Callable[[pd.DataFrame], pd.DataFrame]) -> bytes:
    return as_csv(change(source_rows("weather")))


OTHERS: dict[str, tuple[str, Callable[[], bytes], Ending, str]] = {
    "weather as it is": ("weather", lambda: _weather(lambda f: f), ACCEPT, ""),
    "weather of a third station gone": (
        "weather",
        lambda: _weather(lambda f: f[f["origin"] != "JFK"]),
        REJECT,
        "usual values of origin",
    ),
    "weather without its evening": (
        "weather",
        lambda: _weather(lambda f: f[f["hour"] < 18]),
        WARN,
        "points of time_hour are missing",
    ),
    "weather of an unknown station": (
        "weather",
        lambda: _weather(lambda f: pd.concat([f, f.head(3).assign(origin="SWF")])),
        QUARANTINE,
        "SWF",
    ),
    "weather in local time": (
        "weather",
        lambda: _weather(lambda f: f.assign(time_hour=_moved(f["time_hour"], hours=-4))),
        REJECT,
        "local hour",
    ),
    "weather without temperature": (
        "weather",
        lambda: _weather(lambda f: f.assign(temp=None)),
        HOLD,
        "temp is empty in 100%",
    ),
    "weather twice": (
        "weather",
        lambda: _weather(lambda f: pd.concat([f, f])),
        REJECT,
        "more than once",
    ),
    "planes as they are": ("planes", lambda: as_csv(source_rows("planes")), ACCEPT, ""),
    "half of the planes": (
        "planes",
        lambda: as_csv(source_rows("planes").head(1500)),
        REJECT,
        "45%",
    ),
    "planes without a column": (
        "planes",
        lambda: as_csv(source_rows("planes").drop(columns="seats")),
        REJECT,
        "seats",
    ),
    "planes with markup": (
        "planes",
        lambda: as_csv(source_rows("planes").replace({"BOEING": "<script>alert(1)</script>"})),
        REJECT,
        "would be set aside",
    ),
    "planes as json": (
        "planes",
        lambda: source_rows("planes").to_json(orient="records", lines=True).encode(),
        ACCEPT,
        "",
    ),
    "seats as words in json": (
        "planes",
        lambda: "\n".join(
            json.dumps(row | {"seats": str(row["seats"])})
            for row in json.loads(source_rows("planes").to_json(orient="records"))
        ).encode(),
        REJECT,
        "seats is no int",
    ),
    "a plane with a key twice": (
        "planes",
        lambda: (
            source_rows("planes")
            .to_json(orient="records", lines=True)
            .encode()
            .replace(b'"seats":', b'"seats":1,"seats":', 1)
        ),
        QUARANTINE,
        "the key 'seats' twice",
    ),
    "no planes": ("planes", lambda: as_csv(source_rows("planes").head(0)), REJECT, "no rows"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_tables_are_held_to_their_own_contract(kind: str, tmp_path: Path) -> None:
    """A delivery may be of any table; the others come from where they are declared."""
    table, make, ending, words = OTHERS[kind]

    inspection = tried(tmp_path, make(), table)

    assert inspection.ending is ending, told(inspection.findings)
    assert words in told(inspection.findings)
    assert {each.table for each in inspection.findings} <= {table}
