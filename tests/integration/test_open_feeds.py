"""Feeds that were not closed, or were filled up: what is not known is not read as what happened."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tasks.data.batch import Batch
from tasks.data.settled import check_settled
from tasks.references import Ending
from tasks.spec import load_spec
from tests.support.deliveries import as_csv, source_rows, told, tried

pytestmark = pytest.mark.usefixtures("half_a_year")

LEAVING = ["dep_time", "dep_delay"]
ARRIVING = ["arr_time", "arr_delay", "air_time"]


def _july() -> pd.DataFrame:
    return pd.concat([source_rows("flights", f"2013-07-{day:02}") for day in range(1, 32)])


def _emptied(frame: pd.DataFrame, rows: "pd.Series[bool]", columns: list[str]) -> bytes:
    return as_csv(frame.assign(**{name: frame[name].mask(rows) for name in columns}))


def test_a_month_whose_last_week_has_no_outcome_is_held(tmp_path: Path) -> None:
    """A fifth of the flights were not cancelled: nobody had written yet what became of them."""
    july = _july()

    inspection = tried(
        tmp_path, _emptied(july, july["day"] >= 25, LEAVING + ARRIVING), window="2013-07"
    )

    assert inspection.ending is Ending.HOLD, told(inspection.findings)
    assert "From month 7, day 25, sched_dep_time 500 on, 6740 of 6740 rows have no dep_time" in (
        told(inspection.findings)
    )


@pytest.mark.parametrize("hour", [21, 20, 18, 15])
@pytest.mark.parametrize("columns", [LEAVING + ARRIVING, ARRIVING], ids=["all", "arrivals"])
def test_a_day_that_was_cut_is_held(hour: int, columns: list[str], tmp_path: Path) -> None:
    """Whether the flights did not leave yet, or left and did not arrive."""
    day = source_rows("flights")

    inspection = tried(tmp_path, _emptied(day, day["hour"] >= hour, columns))

    assert inspection.ending is Ending.HOLD, told(inspection.findings)
    late = {21: 52, 20: 102, 18: 226, 15: 438}[hour]
    (finding,) = [f for f in inspection.findings if (f.check, f.column) == ("settled", "arr_delay")]
    assert finding.message.startswith("From month 7, day 10, sched_dep_time ")
    assert late <= finding.rows <= late + 5


FILLED: dict[str, tuple[Callable[[pd.DataFrame], "pd.Series[bool]"], list[str], Ending]] = {
    "every delay": (lambda f: f["dep_time"].isna(), ["dep_delay", "arr_delay"], Ending.HOLD),
    "every arrival": (lambda f: f["arr_delay"].isna(), ["air_time"], Ending.HOLD),
    "a few": (
        lambda f: f["dep_time"].isna() & (f["flight"] % 5 == 0),
        ["dep_delay", "arr_delay"],
        Ending.QUARANTINE,
    ),
}


@pytest.mark.parametrize("kind", FILLED)
def test_outcomes_that_were_filled_up_contradict_the_flight(kind: str, tmp_path: Path) -> None:
    """A flight that did not leave was on time to the minute: an export wrote a number for nothing.

    All of them are held, since a month without its cancellations would say another thing.
    """
    which, columns, ending = FILLED[kind]
    day = source_rows("flights")
    rows = which(day)
    filled = day.assign(**{name: day[name].mask(rows, 15) for name in columns})

    inspection = tried(tmp_path, as_csv(filled))

    assert inspection.ending is ending, told(inspection.findings)
    assert "a flight without dep_time has no dep_delay" in told(inspection.findings)


def test_of_the_real_days_only_one_ends_in_what_looks_like_an_open_feed() -> None:
    """On 8 February 2013 the whole evening was cancelled: alone, it is shown to a person."""
    spec = load_spec("flights")
    table = spec.data.tables["flights"]
    year = pd.read_parquet(spec.folder / table.path)
    held = []

    for window, rows in [*year.groupby(["month", "day"]), *year.groupby(["month"])]:
        batch = Batch("flights", table, rows)
        check_settled(batch)
        held += [window] if batch.findings else []

    assert held == [(2, 8)]
