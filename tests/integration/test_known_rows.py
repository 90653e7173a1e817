"""Tables that are delivered whole each time: what was known does not change all at once."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tasks.references import Ending
from tests.support.deliveries import as_csv, source_rows, told, tried

pytestmark = pytest.mark.usefixtures("half_a_year")

Change = Callable[[pd.DataFrame], pd.DataFrame]

HELD: dict[str, tuple[str, Change, str]] = {
    "a sign flipped": ("airports", lambda f: f.assign(lon=-f["lon"]), "1458 rows have another lon"),
    "zones shuffled": (
        "airports",
        lambda f: f.assign(tzone=f["tzone"].sample(frac=1, random_state=7).to_numpy()),
        "rows have another tzone",
    ),
    "another unit": (
        "airports",
        lambda f: f.assign(alt=(f["alt"] * 0.3048).round().astype("int64")),
        "rows have another alt",
    ),
    "a sixth gone": ("airports", lambda f: f[f.index % 6 != 0], "243 rows are gone"),
    "names exchanged": (
        "airlines",
        lambda f: f.assign(name=f["name"].to_numpy()[::-1]),
        "16 rows have another name",
    ),
    "seats doubled": ("planes", lambda f: f.assign(seats=f["seats"] * 2), "have another seats"),
}


@pytest.mark.parametrize("kind", HELD)
def test_a_table_whose_known_rows_change_is_held(kind: str, tmp_path: Path) -> None:
    """Every cell may be possible; that so many are other than last month is not."""
    table, change, words = HELD[kind]

    inspection = tried(tmp_path, as_csv(change(source_rows(table))), table)

    assert inspection.ending is Ending.HOLD, told(inspection.findings)
    assert words in told(inspection.findings)


FINE: dict[str, tuple[str, Change]] = {
    "the same in another order": ("airports", lambda f: f.iloc[::-1]),
    "some new and one gone": (
        "airports",
        lambda f: pd.concat([f.tail(-1), f.head(60).assign(faa=[f"{n:03}" for n in range(60)])]),
    ),
    "a few corrected": ("airports", lambda f: f.assign(alt=f["alt"].where(f.index >= 40, 12))),
    "one airline renamed": ("airlines", lambda f: f.replace({"US Airways Inc.": "US Airways"})),
}


@pytest.mark.parametrize("kind", FINE)
def test_a_table_may_grow_and_be_corrected(kind: str, tmp_path: Path) -> None:
    """New rows are what such a table is delivered for."""
    table, change = FINE[kind]

    inspection = tried(tmp_path, as_csv(change(source_rows(table))), table)

    assert inspection.ending is Ending.ACCEPT, told(inspection.findings)
