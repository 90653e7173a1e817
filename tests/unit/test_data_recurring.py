"""What stands together, and how many rows are due: against the batches before."""

import pandas as pd
import pytest

from tasks.data.batch import Batch
from tasks.data.mix import check_mix
from tasks.data.recurring import check_recurring
from tasks.data.spec import MixSpec, RecurSpec, TableSpec, WeekSpec
from tasks.data.usual import Past
from tasks.data.weekdays import check_weekdays
from tasks.references import Ending
from tasks.schedules import HolidaySpec

SPEC = TableSpec(
    path="x.csv",
    key=("day", "bus", "line"),
    columns={"day": "date", "bus": "string", "line": "string", "late_s": "int"},
    calendar=("day",),
    recurring=(
        RecurSpec(columns=("line", "bus"), least=0.9),
        RecurSpec(columns=("bus", "line", "late_s"), most=0.1),
        RecurSpec(columns=("day", "bus"), alike=0.02),
    ),
    week=WeekSpec(),
)
BUSES = 40
ZONE = "Europe/Berlin"


def _days(first: str, count: int = 1, fewer_on_sunday: int = 10) -> pd.DataFrame:
    """A row for each bus and day: a bus stays on its line, and is late as never before."""
    rows = [
        (day.date(), f"bus {bus}", f"line {bus % 4}", day.toordinal() * 100 + bus)
        for day in pd.date_range(first, periods=count)
        for bus in range(BUSES - (fewer_on_sunday if day.day_of_week == 6 else 0))
    ]
    return pd.DataFrame(rows, columns=["day", "bus", "line", "late_s"])


PAST = Past({"2026-01": BUSES * 31, "2026-02": BUSES * 28}, _days("2026-01-01", 59))


def _found(frame: pd.DataFrame, past: Past = PAST) -> list[str]:
    batch = Batch("rides", SPEC, frame.set_axis(range(1, len(frame) + 1)), delivered=len(frame))
    check_recurring(batch, past)
    assert {each.ending for each in batch.findings} <= {Ending.HOLD}
    return [each.message for each in batch.findings]


def _mixed(shares: dict[str, int]) -> Batch:
    lines = [name for name, count in shares.items() for _ in range(count)]
    spec = SPEC.model_copy(update={"mixes": (MixSpec(columns=("line",), most=0.05),)})
    frame = pd.DataFrame({"line": lines}, index=range(1, len(lines) + 1))
    return Batch("rides", spec, frame, delivered=len(lines))


@pytest.mark.parametrize(("red", "held"), [(500, False), (540, False), (600, True), (0, True)])
def test_codes_that_share_the_rows_otherwise_are_held(red: int, held: bool) -> None:
    """Half of the rides are on the red line: a code that was exchanged says another thing."""
    past = Past(PAST.rows, pd.DataFrame({"line": ["red", "blue"] * 1000}))
    batch = _mixed({"red": red, "blue": 1000 - red})

    check_mix(batch, past)

    assert [each.check for each in batch.findings] == ["mix"] * held


def test_a_few_hundred_rows_have_no_shares() -> None:
    """A day of small numbers is otherwise by chance."""
    past = Past(PAST.rows, pd.DataFrame({"line": ["red", "blue"] * 1000}))
    batch = _mixed({"red": 200, "blue": 100})

    check_mix(batch, past)

    assert batch.findings == []


def test_rows_that_stand_as_they_did_are_usual() -> None:
    """New values of what always changes, old ones of what never does."""
    assert _found(_days("2026-03-02")) == []


def test_cells_that_never_stood_together_are_held() -> None:
    """Every line and every bus is known, and no bus was ever on these lines."""
    day = _days("2026-03-02")

    found = _found(day.assign(line=day["line"].to_numpy()[::-1]))

    assert len(found) == 1
    assert "line and bus: 40 rows (100%) have them together as no batch before did" in found[0]


@pytest.mark.parametrize(("new", "held"), [(8, False), (30, True)])
def test_a_new_name_is_told_by_itself_unless_most_are_new(new: int, held: bool) -> None:
    """Eight buses of another town are eight rows to look at; thirty are another spelling."""
    day = _days("2026-03-02")
    other = day["bus"].where(day.index >= new, "BUS " + day["bus"].str[4:])

    assert bool(_found(day.assign(bus=other))) is held


def test_a_few_weeks_do_not_tell_what_belongs_together() -> None:
    """The first batches of a feed are new in everything."""
    short = Past({"2026-02-28": BUSES}, _days("2026-02-28"))
    day = _days("2026-03-02")

    assert _found(day.assign(line=day["line"].to_numpy()[::-1]), short) == []


def test_an_earlier_day_under_a_new_date_is_held() -> None:
    """Its key is new and its content is not."""
    found = _found(_days("2026-02-02").assign(day=pd.Timestamp("2026-03-02").date()))

    assert len(found) == 1
    assert "40 rows (100%) have them exactly as rows of an earlier batch" in found[0]


def test_copies_under_other_keys_are_held() -> None:
    """A bus is not in two places."""
    day = _days("2026-03-02")
    again = day.head(8).assign(line="line 9", late_s=lambda f: f["late_s"] + 50)

    found = _found(pd.concat([day, again]))

    assert any("day and bus: 16 rows (33%) have them in common" in each for each in found), found


def _week(
    frame: pd.DataFrame, window: str, past: Past = PAST, spec: TableSpec = SPEC
) -> list[tuple[Ending, str]]:
    batch = Batch("rides", spec, frame, delivered=len(frame))
    check_weekdays(batch, window, past, ZONE)
    return [(each.ending, each.message) for each in batch.findings]


def test_a_sunday_is_held_against_sundays() -> None:
    """A quarter fewer rides than on other days is what a Sunday has."""
    assert _week(_days("2026-03-01"), "2026-03-01") == []
    assert _week(_days("2026-03-02"), "2026-03-02") == []


def test_a_day_that_was_cut_after_a_line_is_warned_of() -> None:
    """Its last rows are missing, and nothing in the others says so."""
    (found,) = _week(_days("2026-03-02").head(37), "2026-03-02")

    assert found[0] is Ending.WARN
    assert "37 rows are 92% of the 40 that are usual on these days of the week" in found[1]


@pytest.mark.parametrize(
    ("country", "ending", "said"),
    [
        ("DE", Ending.HOLD, "No holiday is near: rows are missing"),
        ("BG", Ending.WARN, "Liberation Day is near, when that is so; otherwise rows are missing"),
    ],
)
def test_a_day_with_far_fewer_rows_is_held_unless_a_holiday_is_near(
    country: str, ending: Ending, said: str
) -> None:
    """Bulgaria is free on 3 March, so many take the Monday before; Germany is not."""
    week = WeekSpec(holidays=(HolidaySpec(country=country),))
    spec = SPEC.model_copy(update={"week": week})

    ((found, message),) = _week(_days("2026-03-02").head(30), "2026-03-02", spec=spec)

    assert found is ending
    assert said in message


def test_weeks_that_are_long_ago_do_not_say_how_many_rows_are_due() -> None:
    """After a summer without a batch the timetable is another; a missing day is missing still."""
    autumn = _days("2026-10-01", 30).iloc[::3]

    found = _week(autumn, "2026-10")

    assert found == [(Ending.REJECT, "1 of 31 days have no rows: 2026-10-31.")]


@pytest.mark.parametrize(("kept", "ending"), [(0.9, Ending.WARN), (0.8, Ending.HOLD)])
def test_a_month_with_far_fewer_rows_is_held(kept: float, ending: Ending) -> None:
    """A holiday moves a day, and hardly a month."""
    month = _days("2026-03-01", 31)

    ((found, _),) = _week(month.sample(frac=kept, random_state=1), "2026-03")

    assert found is ending


def test_a_day_without_rows_is_rejected_and_a_thin_one_named() -> None:
    """A month whose file ends on the 29th at noon is no month."""
    month = _days("2026-03-01", 28)
    thin = pd.concat([month, _days("2026-03-29").head(9), _days("2026-03-30")])

    found = _week(thin, "2026-03")

    assert found[0] == (Ending.REJECT, "1 of 31 days have no rows: 2026-03-31.")
    assert "1 of 31 days have far fewer rows than is usual: 2026-03-29 (9 rows" in found[1][1]


def test_a_feed_with_days_off_has_no_usual_day() -> None:
    """Where days without rows are usual, none of them is missing."""
    off = PAST.frame[pd.to_datetime(PAST.frame["day"]).dt.day_of_week < 5]
    month = _days("2026-03-02", 5)

    assert _week(month, "2026-03", Past(PAST.rows, off)) == []
