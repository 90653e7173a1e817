"""Features are built once for what they are made of, window by window, into one Delta table."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from infra import store
from infra.errors import ConfigError, DataError, IntegrityError
from tasks.features.partitions import build
from tasks.frames import feature_rows, key_fractions, split_rows
from tasks.references import Ending, FeatureTable, History, Split
from tasks.spec import ModelSpec, load_spec
from tests.support.feature_tables import bare_home
from tests.support.feeds import committed

DECLARATION = """
name: shop
title: Will it sell?
owner: test
data:
  grain: day
  label: {name: sold, kind: binary}
  tables:
    visits: {path: visits.csv, key: [id], calendar: [year, month, day],
             columns: {id: int, year: int, month: int, day: int, price: float, sold: int}}
    prices: {path: prices.csv, key: [level], columns: {level: string, factor: float}}
features:
  key: [id]
  columns: [price, earlier, level]
  categorical: [level]
  lookback: 1
training: {}
evaluation: {metric: roc_auc}
"""
BUILDER = """
import pandas as pd

SEEN = __import__("pathlib").Path(__file__).parent / "seen.txt"

def build(tables, window):
    visits, day = tables["visits"], int(window[-2:])
    with SEEN.open("a") as seen:
        seen.write(f"{window}:{sorted(visits['day'].unique().tolist())}:{len(tables['prices'])}\\n")
    rows = visits[visits["day"] == day]
    times = pd.to_datetime(rows[["year", "month", "day"]], utc=True)
    return pd.DataFrame({
        "id": rows["id"], "event_time": times, "prediction_time": times,
        "label_time": times + pd.to_timedelta(rows["id"] % 10, unit="D"), "sold": rows["sold"],
        "price": rows["price"], "earlier": float((visits["day"] < day).sum()), "level": "low",
    })
"""
AS_OF = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Path]:
    """The folder of a small model, in a home of its own."""
    folder = tmp_path / "models" / "shop"
    folder.mkdir(parents=True)
    (folder / "model.yaml").write_text(DECLARATION)
    (folder / "features.py").write_text(BUILDER)
    with bare_home(tmp_path / "home", tmp_path / "models"):
        yield folder


def history(days: int, *, as_of: datetime = AS_OF, prices: tuple[float, ...] = ()) -> History:
    """Days of 20 visits each; `prices` are those of single days instead of 1.0."""
    given = dict(enumerate(prices, start=1))
    visits = pd.DataFrame(
        [
            (day * 100 + n, 2026, 1, day, given.get(day, 1.0), n % 2)
            for day in range(1, days + 1)
            for n in range(20)
        ],
        columns=["id", "year", "month", "day", "price", "sold"],
    )
    levels = pd.DataFrame({"level": ["low", "high"], "factor": [1.0, 2.0]})
    windows = [f"2026-01-{day:02}" for day in range(1, days + 1)]
    return committed("shop", {"visits": visits, "prices": levels}, windows, as_of)


def built(past: History) -> FeatureTable:
    """The feature table of a history."""
    spec: ModelSpec = load_spec("shop")
    return build(past, spec.features, spec.data)


def seen(shop: Path) -> list[str]:
    """What the builder was called with since the last look."""
    path = shop / "seen.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_a_window_is_built_from_itself_and_the_one_before(shop: Path) -> None:
    """Tables delivered whole come from the window's own delivery alone."""
    table = built(history(3))

    assert seen(shop) == ["2026-01-01:[1]:2", "2026-01-02:[1, 2]:2", "2026-01-03:[2, 3]:2"]
    assert [(part.window, part.rows) for part in table.parts] == [
        ("2026-01-01", 20),
        ("2026-01-02", 20),
        ("2026-01-03", 20),
    ]


def test_only_a_new_window_is_built(shop: Path) -> None:
    """Cost grows with the data that is new, not with history; the same history builds nothing."""
    first = built(history(3))
    seen(shop)

    again, longer = built(history(3)), built(history(4))

    assert seen(shop) == ["2026-01-04:[3, 4]:2"]
    assert again == first
    assert longer.parts[:3] == first.parts


def test_a_corrected_window_is_built_again_with_the_one_that_looks_back_on_it(shop: Path) -> None:
    """The second of four days is corrected: days two and three change, one and four do not."""
    before = built(history(4))
    seen(shop)

    after = built(history(4, prices=(1.0, 9.0)))

    assert [line[:10] for line in seen(shop)] == ["2026-01-02", "2026-01-03"]
    changed = [
        one.digest != other.digest for one, other in zip(before.parts, after.parts, strict=True)
    ]
    assert changed == [False, True, True, False]
    assert feature_rows(after, ["2026-01-02"])["price"].unique().tolist() == [9.0]
    assert feature_rows(before, ["2026-01-02"])["price"].unique().tolist() == [1.0]


def test_an_older_history_reads_its_own_rows_after_a_newer_one_was_built(shop: Path) -> None:
    """Two runs with different pasts share a table and never each other's rows."""
    built(history(2))
    built(history(2, prices=(9.0, 9.0)))
    seen(shop)

    old = built(history(2))

    assert seen(shop) == []
    assert feature_rows(old, ["2026-01-01"])["price"].unique().tolist() == [1.0]


def test_a_table_names_the_batches_that_the_contract_did_not_let_pass_whole(shop: Path) -> None:
    """Who watches a window later need not read the manifests; its rows are the same table."""
    past = history(2)
    first, second = past.manifests
    held = {"ending": Ending.HOLD, "approval": "e" * 64, "quarantined": {"visits": 3}}
    let_in = past.model_copy(update={"manifests": (first, second.model_copy(update=held))})

    plain, told = built(past), built(let_in)

    assert plain.incidents == ()
    assert [(each.window, each.set_aside) for each in told.incidents] == [("2026-01-02", 3)]
    assert told.incidents[0].rows == 22
    assert told.digest == plain.digest


def test_another_definition_has_another_table(shop: Path) -> None:
    """A changed builder, or a changed spec, builds everything anew beside the old rows."""
    one = built(history(2))
    spec = load_spec("shop")
    fewer = spec.features.model_copy(update={"columns": ("price",), "categorical": ()})
    seen(shop)

    other = build(history(2), fewer, spec.data)

    assert len(seen(shop)) == 2
    assert other.uri != one.uri
    assert list(feature_rows(other, ["2026-01-01"]).columns)[-1] == "price"


def test_a_build_that_was_killed_between_rows_and_record_is_finished_without_doubling(
    shop: Path,
) -> None:
    """The record is written last; without it the partition is built again, into the same place."""
    table = built(history(2))
    for record in Path(table.uri).parent.joinpath("parts").glob("*.json"):
        record.unlink()

    again = built(history(2))

    assert again.parts == table.parts
    assert len(feature_rows(again, ["2026-01-01", "2026-01-02"])) == 40


def test_labels_count_as_of_the_histories_time(shop: Path) -> None:
    """On 3 January the labels of ids that end in 0 to 2 of the first day are known."""
    early = built(history(2, as_of=datetime(2026, 1, 3, tzinfo=UTC)))
    late = built(history(2))

    assert [part.labelled for part in early.parts] == [6, 4]
    assert [part.labelled for part in late.parts] == [20, 20]
    assert early.digest != late.digest
    assert len(feature_rows(early, ["2026-01-01"], ["id"], labelled=True)) == 6


def test_rows_come_in_the_order_of_the_windows_asked_for(shop: Path) -> None:
    """Delta promises no order; every reader gets the same one."""
    table = built(history(3))

    rows = feature_rows(table, ["2026-01-03", "2026-01-01"], ["id", "level"])

    assert list(rows.columns) == ["id", "level"]
    assert rows["id"].tolist() == [*range(300, 320), *range(100, 120)]


def test_a_split_reads_only_rows_whose_labels_were_known(shop: Path) -> None:
    """Of the second day, on 4 January, ids that end in 0 to 2."""
    table = built(history(2, as_of=datetime(2026, 1, 4, tzinfo=UTC)))
    split = Split(table=table, train=("2026-01-01",), holdout=("2026-01-02",), digest="d")

    train, holdout = split_rows(split)

    assert (len(train), len(holdout)) == (8, 6)
    assert (holdout["label_time"] <= pd.Timestamp(table.as_of)).all()


def test_a_share_is_held_out_by_key_and_the_same_every_time(shop: Path) -> None:
    """The parts are disjoint, whole, and near the share."""
    table = built(history(9))
    everything = tuple(part.window for part in table.parts)
    split = Split(table=table, train=everything, holdout=everything, holdout_share=0.3, digest="d")

    train, holdout = split_rows(split)
    again = split_rows(split)[1]

    assert sorted([*train["id"], *holdout["id"]]) == sorted(feature_rows(table, everything)["id"])
    assert 0.2 < len(holdout) / 180 < 0.4
    assert holdout["id"].tolist() == again["id"].tolist()
    assert key_fractions(train, ["id"]).min() >= 0.3


def test_a_split_without_rows_on_one_side_is_refused(shop: Path) -> None:
    """A model of nothing is no model."""
    table = built(history(2, as_of=datetime(2026, 1, 1, tzinfo=UTC) - timedelta(days=1)))
    split = Split(table=table, train=("2026-01-01",), holdout=("2026-01-02",), digest="d")

    with pytest.raises(DataError, match="0 labelled rows to train on"):
        split_rows(split)


def test_a_window_that_was_never_built_is_named(shop: Path) -> None:
    """A typo in a window is no empty frame."""
    with pytest.raises(DataError, match="hold no window 2027-01-01"):
        feature_rows(built(history(1)), ["2027-01-01"])


def test_rows_that_vanished_are_an_integrity_error(shop: Path) -> None:
    """A manifest says 20 rows; a table that holds fewer is not trained on."""
    past = history(1)
    manifest = past.manifests[0]
    more = manifest.tables[0].model_copy(update={"rows": 21})
    tampered = manifest.model_copy(update={"tables": (more, manifest.tables[1])})

    with pytest.raises(IntegrityError, match="holds 20 rows"):
        built(past.model_copy(update={"manifests": (tampered,)}))


def test_a_builder_that_raises_is_a_config_error_with_its_window(shop: Path) -> None:
    """The message holds the builder's own words."""
    (shop / "broken.py").write_text("def build(tables, window):\n    return 1 / 0\n")
    spec = load_spec("shop")
    broken = spec.features.model_copy(update={"builder": "broken:build"})

    with pytest.raises(ConfigError, match="fails on 2026-01-01: ZeroDivisionError"):
        build(history(1), broken, spec.data)


def test_a_history_without_windows_asks_for_an_ingest(shop: Path) -> None:
    """There is nothing to build from."""
    empty = History(model="shop", as_of=AS_OF, manifests=(), digest=store.digest_of([]))

    with pytest.raises(DataError, match="Nothing of shop was ingested"):
        built(empty)
