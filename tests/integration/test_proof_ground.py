"""What a proof stands on: windows that are dealt anew, and a feed that breaks before them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deployments.proof.faults import Faults, Target
from deployments.proof.ground import deal, stand_on
from deployments.proof.rostered import bound
from deployments.proof.untried import untried, without_calendar
from deployments.shadow.feed import read_feed
from deployments.shadow.home import shadow_home
from tasks.monitoring.spec import RosterSpec
from tasks.spec import load_spec
from tasks.verification.spec import ShiftKind
from tests.support.homes import environment
from tests.support.small_model import write_model


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    """The rows of a small model, in a shadow's home."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder, "rides", verify={"continuous": {"without": ["swap"]}})
    with environment({"PERENNIAL_MODELS": str(folder)}), shadow_home():
        yield _read()


def _read() -> Faults:
    feed = read_feed(load_spec("rides"))
    return Faults(stand_on(feed, feed.known_at(feed.windows[-1]), lambda *_: None))


_FILLING = """
def fill(tables: dict[str, pd.DataFrame], window: str) -> pd.DataFrame:
    \"\"\"As above, with what is missing of x filled by its median.\"\"\"
    rides = tables["rides"]
    if rides["x"].isna().all():
        raise ValueError("x has no value")
    return build({"rides": rides.assign(x=rides["x"].fillna(rides["x"].median()))}, window)
"""


@pytest.mark.parametrize("refuses", [True, False])
def test_a_builder_is_given_each_size_as_that_size(tmp_path: Path, *, refuses: bool) -> None:
    """One that fills what is missing by the window refuses no fifth of it, nor lets it be seen."""
    folder = write_model(tmp_path, "rides", features={"builder": "features:fill"})
    code = _FILLING if refuses else _FILLING.replace("isna().all()", "empty")
    with (folder / "features.py").open("a") as file:
        file.write(code)
    with environment({"PERENNIAL_MODELS": str(tmp_path)}):
        found = _read()
        places, x = np.arange(600), Target("rides", "x")
        fifth = found.features(ShiftKind.MISSING, x, places, 0.2)
        whole = found.features(ShiftKind.MISSING, x, places, 1.0)

    assert isinstance(fifth, pd.DataFrame)
    assert fifth["x"].notna().all()
    assert fifth["x"].value_counts().max() == 120
    assert isinstance(whole, str) is refuses


def test_rows_are_dealt_to_the_times_of_the_window_s_own(faults: Faults) -> None:
    """Its nights and its busy hours stay: the longest silence is that of the window as it came."""
    own = faults.ground.windows["2024-03"]["prediction_time"].reset_index(drop=True)

    dealt = deal(faults.ground, seed=1)
    rows = dealt.rows("2024-03")

    assert (rows["prediction_time"] == own).all()
    assert (rows["event_time"] == own).all()
    assert len(dealt.timed("2024-03", rows[:400])) == 400
    assert set(rows["label_time"]) == {faults.ground.feed.known_at("2024-03")}


def test_an_entity_that_comes_once_a_window_is_in_each_window_that_was_dealt(
    faults: Faults,
) -> None:
    """By chance a third of them would have no row: that alarm would be the dealing's own."""
    rosters = (RosterSpec(column="shop", names=tuple(map(str, range(600)))),)
    spec = faults.ground.spec
    watched = spec.monitoring.model_copy(update={"rosters": rosters})
    feed = replace(faults.ground.feed, spec=spec.model_copy(update={"monitoring": watched}))
    windows = {
        name: rows.assign(shop=np.arange(600)) for name, rows in faults.ground.windows.items()
    }

    dealt = deal(replace(faults.ground, feed=feed, windows=windows), seed=1)
    shops = {name: set(dealt.rows(name)["shop"]) for name in windows}
    months = dealt.rows("2024-03")["ride"] // 10_000

    assert {len(each) for each in shops.values()} == {600}
    assert months.nunique() == len(windows)
    assert not np.array_equal(dealt.places["2024-03"], deal(faults.ground, 1).places["2024-03"])


def test_entities_with_many_rows_are_dealt_as_any_row(faults: Faults) -> None:
    """Chance leaves none of them out."""
    spec, pool = faults.ground.spec, faults.ground.pool
    usual = RosterSpec(column="place")
    named = RosterSpec(column="place", names=("hill", "dale"))
    watched = spec.monitoring.model_copy(update={"rosters": (usual, named)})

    assert set(bound(spec.model_copy(update={"monitoring": watched}), pool, 6)) == {0}


def test_what_the_calendar_alone_brings_about_is_not_tried_and_is_named(faults: Faults) -> None:
    """No champion of a shadow is ever replaced: an age would alarm in every proof."""
    ages = {"max_age": timedelta(days=1), "max_data_age": timedelta(days=1)}
    spec = faults.ground.spec
    aged = spec.model_copy(update={"monitoring": spec.monitoring.model_copy(update=ages)})

    assert set(untried(aged)) == {"swap", "monitoring.max_age", "monitoring.max_data_age"}
    assert without_calendar(aged) == spec
    assert set(untried(spec)) == {"swap"}


def test_where_rows_are_built_one_by_one_all_sizes_are_made_of_two_builds(faults: Faults) -> None:
    """Those of a feed that is whole, and those of one that is wholly broken."""
    x, places = Target("rides", "x"), np.arange(600)

    fifth = faults.features(ShiftKind.MISSING, x, places, 0.2)

    assert faults.is_row_by_row(ShiftKind.MISSING, x)
    assert isinstance(fifth, pd.DataFrame)
    assert fifth["x"].isna().to_numpy().nonzero()[0].tolist() == list(range(480, 600))


def test_columns_that_no_feature_is_made_of_are_no_targets(faults: Faults) -> None:
    """A fault of a column that nobody reads has nothing to be seen by."""
    features = faults.ground.spec.features.model_copy(update={"columns": ("place",)})
    spec = faults.ground.spec.model_copy(update={"features": features})
    windows = {name: rows.drop(columns=["x", "z"]) for name, rows in faults.ground.windows.items()}
    feed = replace(faults.ground.feed, spec=spec)
    found = Faults(replace(faults.ground, feed=feed, windows=windows))

    assert found.targets(ShiftKind.UNIT, {}) == []
    assert found.unread(ShiftKind.UNIT) == [Target("rides", "x"), Target("rides", "z")]
    assert found.targets(ShiftKind.SILENCE, {}) == [Target("rides")]
