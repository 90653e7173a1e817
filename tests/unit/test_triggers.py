"""What starts a training by itself: when enough new data have come."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from tasks.governance.arrivals import Enough, enough_came
from tasks.governance.triggers import DataTrigger
from tasks.references import (
    Candidate,
    Ending,
    FeaturePart,
    FeatureTable,
    History,
    Manifest,
    TableVersion,
)
from tasks.windows import EVERYTHING
from tests.support.verdicts import candidate

AS_OF = datetime(2013, 11, 1, tzinfo=UTC)


def manifest(window: str, rows: int = 100, digest: str = "") -> Manifest:
    """One window of one table, as it was first delivered unless it has a digest of its own."""
    table = TableVersion(
        table="flights", window=window, uri="/store", version=1, digest=window, rows=rows
    )
    return Manifest(
        model="flights",
        window=window,
        as_of=AS_OF,
        ending=Ending.ACCEPT,
        tables=(table,),
        digest=digest or window,
    )


def history(*manifests: Manifest) -> History:
    """What is known."""
    digest = "-".join(each.digest for each in manifests)
    return History(model="flights", as_of=AS_OF, manifests=manifests, digest=digest)


def known(*windows: str, rows: int = 100) -> History:
    """A history of windows as they were first delivered."""
    return history(*(manifest(window, rows) for window in windows))


def part(window: str, labelled: int = 100) -> FeaturePart:
    """The features of a window of a hundred rows."""
    return FeaturePart(
        window=window, digest="f", rows=100, labelled=labelled, data=window, delivered=100
    )


def trained(*parts: FeaturePart) -> Candidate:
    """A candidate that knew some windows, however many of their labels there were."""
    last = candidate()
    split = last.fitted.split
    table = split.table.model_copy(update={"parts": parts})
    fitted = last.fitted.model_copy(update={"split": split.model_copy(update={"table": table})})
    return last.model_copy(update={"fitted": fitted})


def features(*parts: FeaturePart) -> FeatureTable:
    """The features of what is known now."""
    return LAST.fitted.split.table.model_copy(update={"parts": parts})


LAST = trained(part("2013-09"), part("2013-10"), part("2013-11", labelled=0))
"""Trained on September 2013 and judged on October; November was there, and had no labels."""

SEEN = ("2013-09", "2013-10", "2013-11")


def said(found: Enough | None) -> str:
    """Why a training is due; empty while it is not."""
    return found.why if found else ""


def test_a_training_is_due_when_so_many_windows_have_come() -> None:
    """One that the training knew is not new, though it had no labels; a backfilled one is."""
    two = DataTrigger(windows=2)

    assert enough_came(known("2013-08", *SEEN), LAST, two) is None
    assert said(enough_came(known("2013-08", *SEEN, "2013-12"), LAST, two)) == (
        "2 windows have come since version 2 was trained."
    )


def test_a_training_is_due_when_so_many_rows_have_come() -> None:
    """A third of those that were there."""
    third = DataTrigger(growth=1 / 3)
    few = history(*known(*SEEN).manifests, manifest("2013-12", rows=99))

    assert enough_came(few, LAST, third) is None
    assert said(enough_came(known(*SEEN, "2013-12"), LAST, third)) == (
        "100 rows have come since version 2 was trained, 33% of those that were there."
    )


def test_rows_that_were_delivered_anew_count_as_rows_that_came() -> None:
    """A month that was corrected is no new window, and all of its rows may be others."""
    corrected = history(manifest("2013-09", rows=1000, digest="anew"), *known(*SEEN[1:]).manifests)

    assert enough_came(corrected, LAST, DataTrigger(windows=1)) is None
    assert said(enough_came(corrected, LAST, DataTrigger(growth=0.5))) == (
        "0 rows have come and 1,000 were delivered anew since version 2 was trained, 333% of "
        "those that were there."
    )


def test_a_training_is_due_when_so_many_labels_have_become_known() -> None:
    """Of the same rows, without any delivery: November's labels came in with time."""
    half, now = DataTrigger(labels=0.5), known(*SEEN)
    some = features(part("2013-09"), part("2013-10"), part("2013-11", labelled=99))
    all_of_them = features(part("2013-09"), part("2013-10"), part("2013-11"))

    assert enough_came(now, LAST, half, some) is None
    assert enough_came(now, LAST, half) is None, "nobody has counted them"
    assert enough_came(now, LAST, half, all_of_them) == Enough(
        "100 labels have come since version 2 was trained, 50% of those that were known.",
        ("labels", "candidate", 1),
    )


def test_labels_that_trickle_in_ask_once_for_as_many_as_are_declared() -> None:
    """So that a training that failed is not started again by each label, but by as many more."""
    tenth = DataTrigger(labels=0.1)

    def asked(labelled: int) -> object:
        now = features(part("2013-09"), part("2013-10"), part("2013-11", labelled))
        found = enough_came(known(*SEEN), LAST, tenth, now)
        return found.because if found else None

    assert [asked(labelled) for labelled in (19, 20, 39, 40)] == [
        None,
        ("labels", "candidate", 1),
        ("labels", "candidate", 1),
        ("labels", "candidate", 2),
    ]


def test_of_rows_without_time_a_new_delivery_is_new() -> None:
    """The same delivery again is not; what was trained before this was noted is told likewise."""
    last = trained(part(EVERYTHING))
    unnoted = part(EVERYTHING).model_copy(update={"data": "", "delivered": 0})
    before = trained(unnoted).model_copy(update={"data_version": EVERYTHING})
    changed = history(manifest(EVERYTHING, digest="another"))

    for trigger in (DataTrigger(windows=1), DataTrigger(growth=0.5)):
        assert enough_came(known(EVERYTHING), last, trigger) is None
        assert enough_came(known(EVERYTHING), before, trigger) is None
        assert enough_came(changed, before, trigger) == enough_came(changed, last, trigger)
    assert said(enough_came(changed, last, DataTrigger(windows=1))).startswith("1 window has come")


@pytest.mark.parametrize(
    "given", [{}, {"windows": 0}, {"growth": 0}, {"labels": 0}, {"labels": -0.5}, {"rows": 5}]
)
def test_a_trigger_that_never_or_always_fires_is_refused(given: dict[str, object]) -> None:
    """It says when, and when is not at once."""
    with pytest.raises(ValidationError):
        DataTrigger.model_validate(given)
