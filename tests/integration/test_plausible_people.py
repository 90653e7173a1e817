"""A survey whose codes are all allowed and mean something else: years before it tell."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from tasks.references import Ending
from tasks.spec import load_spec
from tests.support.deliveries import as_csv, ingested, inspected, offline_home, received, told

Change = Callable[[pd.DataFrame], pd.DataFrame]
LATE = 400  # a year's survey comes when the next one is over


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pd.DataFrame]:
    """The people of every year, in a home where that of 2015 is known."""
    spec = load_spec("employment")
    with offline_home(tmp_path_factory.mktemp("survey")):
        ingested("2015", model="employment", late=LATE)
        yield pd.read_parquet(spec.folder / spec.data.tables["people"].path)


OTHER = {"1": "2", "2": "1"}
KINDS: dict[str, tuple[Change, Ending, str]] = {
    "as it is": (lambda f: f, Ending.ACCEPT, ""),
    "the label inverted": (
        lambda f: f.assign(employed=1 - f["employed"]),
        Ending.HOLD,
        "AGEP, SCHL and employed",
    ),
    "a code inverted": (
        lambda f: f.assign(DIS=f["DIS"].map(OTHER)),
        Ending.HOLD,
        "The values of DIS share the rows otherwise",
    ),
    "two columns exchanged": (
        lambda f: f.assign(SCHL=f["MAR"], MAR=f["SCHL"]),
        Ending.HOLD,
        "The values of MAR share the rows otherwise",
    ),
    "everybody five years older": (
        lambda f: f.assign(AGEP=f["AGEP"] + 5),
        Ending.HOLD,
        "The values of AGEP share the rows otherwise",
    ),
    "a fifth cut off": (lambda f: f.head(len(f) * 4 // 5), Ending.REJECT, "80% of the usual"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_survey_that_means_something_else_is_told(
    kind: str, survey: pd.DataFrame, tmp_path: Path
) -> None:
    """Shares of the codes, and what goes together in one person."""
    change, ending, words = KINDS[kind]
    path = tmp_path / "people.csv"
    path.write_bytes(as_csv(change(survey[survey["year"] == 2016].reset_index(drop=True))))

    inspection = inspected(received("2016", {"people": str(path)}, "employment", LATE))

    assert inspection.ending is ending, told(inspection.findings)
    assert words in told(inspection.findings)


def test_last_years_people_under_new_numbers_are_held(survey: pd.DataFrame, tmp_path: Path) -> None:
    """Each of them is somebody who was asked before, word for word."""
    path = tmp_path / "people.csv"
    again = survey[survey["year"] == 2015].assign(year=2016, id=lambda f: f["id"] + 10_000_000)
    path.write_bytes(as_csv(again))

    inspection = inspected(received("2016", {"people": str(path)}, "employment", LATE))

    assert inspection.ending is Ending.HOLD, told(inspection.findings)
    assert "exactly as rows of an earlier batch" in told(inspection.findings)
