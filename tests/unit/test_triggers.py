"""What starts a training by itself: when enough new data have come."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from tasks.governance.triggers import DataTrigger, enough_came
from tasks.references import Candidate, Ending, History, Manifest, TableVersion
from tasks.windows import EVERYTHING
from tests.support.verdicts import candidate

AS_OF = datetime(2013, 11, 1, tzinfo=UTC)


def manifest(window: str, rows: int = 100) -> Manifest:
    """One window of one table."""
    table = TableVersion(
        table="flights", window=window, uri="/store", version=1, digest=window, rows=rows
    )
    return Manifest(
        model="flights",
        window=window,
        as_of=AS_OF,
        ending=Ending.ACCEPT,
        tables=(table,),
        digest=window,
    )


def known(*windows: str, rows: int = 100) -> History:
    """A history of windows."""
    manifests = tuple(manifest(window, rows) for window in windows)
    return History(model="flights", as_of=AS_OF, manifests=manifests, digest="-".join(windows))


LAST = candidate()
"""Trained on September 2013 and judged on October."""


def test_a_training_is_due_when_so_many_windows_have_come() -> None:
    """The holdout was known too; what was delivered anew for an old window is not new."""
    two = DataTrigger(windows=2)

    assert enough_came(known("2013-08", "2013-09", "2013-10", "2013-11"), LAST, two) == ""
    assert enough_came(known("2013-10", "2013-11", "2013-12"), LAST, two) == (
        "2 windows have come since version 2 was trained."
    )


def test_a_training_is_due_when_so_many_rows_have_come() -> None:
    """A half of those that were there."""
    half = DataTrigger(growth=0.5)

    assert enough_came(known("2013-08", "2013-09", "2013-10", "2013-11"), LAST, half) == ""
    assert enough_came(known("2013-09", "2013-10", "2013-11"), LAST, half) == (
        "100 rows have come since version 2 was trained, 50% of those that were there."
    )


def test_of_rows_without_time_a_new_delivery_is_new() -> None:
    """The same delivery again is not."""
    everything = (EVERYTHING,)
    split = LAST.fitted.split.model_copy(update={"train": everything, "holdout": everything})
    fitted = LAST.fitted.model_copy(update={"split": split})
    last: Candidate = LAST.model_copy(update={"fitted": fitted, "data_version": EVERYTHING})
    changed = known(EVERYTHING).model_copy(update={"digest": "another"})

    assert enough_came(known(EVERYTHING), last, DataTrigger(windows=1)) == ""
    assert enough_came(changed, last, DataTrigger(windows=1)).startswith("1 windows have come")


@pytest.mark.parametrize("given", [{}, {"windows": 0}, {"growth": 0}, {"rows": 5}])
def test_a_trigger_that_never_or_always_fires_is_refused(given: dict[str, object]) -> None:
    """It says when, and when is not at once."""
    with pytest.raises(ValidationError):
        DataTrigger.model_validate(given)
