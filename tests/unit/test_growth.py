"""How much is new to a version: what another training could learn that it could not."""

from tasks.monitoring.sources import growth_since, rows_since
from tasks.references import FeaturePart, Predictions
from tests.support.subjects import candidate


def test_the_rows_that_a_challenger_was_judged_on_are_not_new() -> None:
    """It learned from March and was judged on April: of nine rows each, only May's are new."""
    made = candidate(2)
    windows = ("2013-03", "2013-04", "2013-05", "2013-06")
    parts = tuple(FeaturePart(window=each, digest="d", rows=9, labelled=9) for each in windows)
    table = made.fitted.split.table.model_copy(update={"parts": parts})
    may = Predictions(
        uri="", version=1, window="2013-05", rows=9, model="flights", model_version=1, digest="p"
    )

    assert growth_since(made, may, table) == 1.0
    assert growth_since(made, may.model_copy(update={"window": "2013-04"}), table) == 0.0
    assert rows_since(made, may, table) == 18, "staleness counts from what it learned"
