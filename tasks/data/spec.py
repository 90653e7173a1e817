"""The ``data`` section: where the feed comes from and what must be true of it."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.schedules import HolidaySpec
from tasks.sections import ImportString, Section

ColumnType = Literal["int", "float", "string", "bool", "timestamp", "date"]
"""What a column holds; ``timestamp`` is an instant in UTC."""


class CsvSpec(Section):
    """How delimited text is written, where it differs from plain CSV in UTF-8."""

    delimiter: str = Field(",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = Field(".", description="What divides a number from its decimals.")
    encoding: str = "utf-8"
    nulls: tuple[str, ...] = Field(("",), description="Cells that stand for no value.")

    @model_validator(mode="after")
    def _divides_once(self) -> Self:
        if self.delimiter == self.decimal:
            raise ValueError(f"delimiter and decimal are both {self.decimal!r}")
        return self


class StableSpec(Section):
    """A column whose level, spread and values may not jump against the batches before."""

    column: str
    by: tuple[str, ...] = Field((), description="Compare within each value of these columns.")
    beside: tuple[str, ...] = Field(
        (),
        description="Compare each group's distance to the other groups where these columns are "
        "the same, such as stations at the same hour; `shift` and `unseen` apply to each group.",
    )
    shift: float = Field(3.0, gt=0, description="Largest move of the median, in past IQRs.")
    spread: float = Field(3.0, gt=1, description="Largest factor between the IQRs.")
    unseen: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Largest share of the distinct values that no batch before had. Values that "
        "are measured on a grid (whole knots, tenths of a degree) leave it when the unit changes, "
        "even where level and spread look usual.",
    )


class CadenceSpec(Section):
    """Points in time that a table must have, such as one an hour for each station."""

    column: str = Field(description="The timestamp.")
    every: timedelta
    by: tuple[str, ...] = ()
    gap: timedelta | None = Field(
        None, description="Longest time between two points that is fine; three steps if left out."
    )


class SettledSpec(Section):
    """Cells that are in for every row once a feed has closed, but for a row here and there."""

    columns: tuple[str, ...] = Field(
        min_length=1, description="What happened, each looked at alone; empty where it did not."
    )
    order: tuple[str, ...] = Field(
        min_length=1, description="When it was due: the columns by which rows follow each other."
    )
    most: int = Field(
        20,
        ge=1,
        description="From how many rows at the end of a window without a value the batch is held: "
        "such a feed was not closed, and its rows must not be read as what never happened.",
    )


class ClockSpec(Section):
    """Times of day that hardly change from batch to batch, such as those of a timetable."""

    columns: tuple[str, ...] = Field(
        min_length=1, description="Hours and minutes as whole numbers: 1735 is 17:35."
    )
    same: tuple[str, ...] = Field(
        min_length=1, description="What keeps its time: the columns that name a flight, say."
    )
    groups: tuple[str, ...] = Field(
        min_length=1,
        description="Columns of which one value's clock may be moved alone, such as an airport: "
        "where most of its rows lie the same whole hours from their times before, the batch is "
        "held.",
    )


class CourseSpec(Section):
    """Measurements of several places that go on from hour to hour, and from batch to batch."""

    columns: tuple[str, ...] = Field(min_length=1, description="What is measured: numbers.")
    at: str = Field(description="The timestamp of a measurement.")
    by: str = Field(description="The place. Places that were exchanged, and hours that were, hold.")


class GridSpec(Section):
    """Numbers that come in steps at each place, and lose them when their unit changes."""

    column: str
    by: tuple[str, ...] = Field((), description="Look at each value of these columns alone.")
    step: float | None = Field(
        None, gt=0, description="Every value is a whole multiple of it, such as 0.01 inches."
    )
    finest: float | None = Field(
        None,
        gt=0,
        description="Where a group has two values above zero or more, the smallest of them is at "
        "most this.",
    )


class RecurSpec(Section):
    """Columns whose cells stand together again and again, or hardly ever do."""

    columns: tuple[str, ...] = Field(min_length=1, description="Rows that lack one do not count.")
    least: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Smallest share of the rows with cells that stood together in a batch before: "
        "the planes of a carrier, its routes. Below it the batch is held.",
    )
    most: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Largest such share, where they hardly come again: a plane and its minutes. "
        "Above it the batch is held, as rows of an earlier one.",
    )
    alike: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Largest share of the rows that have all of them in common with another row "
        "of the batch; above it the batch is held.",
    )


class MixSpec(Section):
    """Columns whose values hardly change their shares of the rows from batch to batch."""

    columns: tuple[str, ...] = Field(min_length=1)
    most: float = Field(
        gt=0,
        le=1,
        description="Largest share of the rows that would need another value for the shares to be "
        "those of the batches before (the total variation distance); beyond it, hold.",
    )


class WeekSpec(Section):
    """Rows a day that repeat from week to week, against the same days of the four weeks before.

    A day without any row is rejected, where every day of those weeks had some.
    """

    fewest: float = Field(0.95, ge=0, le=1, description="Share of the usual rows; below it, warn.")
    most: float = Field(1.1, ge=1, description="Share of the usual rows; above it, warn.")
    far: float = Field(
        0.15, gt=0, description="How far from the usual a batch of four weeks or more is held."
    )
    thin: float = Field(
        0.55, ge=0, le=1, description="Share of its usual rows below which one day is warned of."
    )
    holidays: tuple[HolidaySpec, ...] = Field(
        (), description="Where the rows arise: fewer are common on such days and a day off them."
    )
    scarce: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Share of the usual rows below which a shorter batch is held, where holidays "
        "are declared and none is near.",
    )


class TableSpec(Section):
    """One table of the feed."""

    path: str = Field(description="File or URI, relative to the model's folder.")
    key: tuple[str, ...] = Field(min_length=1, description="Columns that name a row.")
    columns: dict[str, ColumnType] = Field(min_length=1)
    optional: tuple[str, ...] = Field(
        (), description="Columns whose cells may be empty; the columns are there all the same."
    )
    calendar: tuple[str, ...] = Field(
        (),
        description="Where a row's local day stands: (year, month, day), (year,) or one timestamp "
        "or date. Empty for a table that is delivered whole each time.",
    )
    may_be_empty: bool = Field(
        default=False,
        description="The declared source has no rows for some windows, and never will: such a "
        "window is a warning, as a gap inside a longer one is. A delivery without rows is refused "
        "all the same.",
    )
    suite: str | None = Field(
        None, description="Great Expectations suite; the table's name if left out."
    )
    complete: tuple[str, ...] = Field(
        (), description="Columns whose usual values must all turn up in a batch."
    )
    stable: tuple[StableSpec, ...] = ()
    cadence: CadenceSpec | None = None
    settled: SettledSpec | None = None
    clocks: ClockSpec | None = None
    course: CourseSpec | None = None
    grids: tuple[GridSpec, ...] = ()
    recurring: tuple[RecurSpec, ...] = ()
    mixes: tuple[MixSpec, ...] = ()
    week: WeekSpec | None = None
    csv: CsvSpec = CsvSpec()

    @model_validator(mode="after")
    def _names_its_columns(self) -> "TableSpec":
        stable = [name for each in self.stable for name in (each.column, *each.by, *each.beside)]
        if any(each.beside and not each.by for each in self.stable):
            raise ValueError("stable names `beside` without `by`: there are no groups to compare")
        cadence = [self.cadence.column, *self.cadence.by] if self.cadence else []
        settled = [*self.settled.columns, *self.settled.order] if self.settled else []
        listed = (
            *(self.key, self.optional, self.calendar, self.complete, stable, cadence, settled),
            *((self.clocks.columns, self.clocks.same, self.clocks.groups) if self.clocks else ()),
            *((self.course.columns, (self.course.at, self.course.by)) if self.course else ()),
            *((each.column, *each.by) for each in self.grids),
            *(each.columns for each in self.recurring),
            *(each.columns for each in self.mixes),
        )
        named = {name for names in listed for name in names}
        unknown = sorted(named - set(self.columns))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} not among the columns")
        return self


class LabelSpec(Section):
    """What is predicted."""

    name: str
    kind: Literal["binary", "multiclass", "regression"]
    delay: timedelta = Field(
        timedelta(0), description="From a window's end until its labels are in."
    )


class DataSpec(Section):
    """The feed of a model."""

    tables: dict[str, TableSpec] = Field(min_length=1)
    grain: Literal["day", "month", "year", "all"] = "month"
    timezone: str = "UTC"
    label: LabelSpec
    observe: ImportString | None = Field(
        None,
        description="observe(tables) adds columns that only the contract sees, named with a "
        "leading underscore, so that suites can hold relations between columns and tables.",
    )
    max_set_aside: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Share of a table's rows beyond which quarantine becomes reject.",
    )
    min_volume: float = Field(0.55, ge=0, description="Fewest rows a day, against the usual.")
    max_volume: float = Field(1.8, gt=0, description="Most rows a day, against the usual.")
    max_changed: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Share of the rows of a table that is delivered whole which may be other than "
        "in the last batch, or gone; beyond it the batch is held. New rows are fine.",
    )
