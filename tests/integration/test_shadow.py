"""A model beside itself: the shipped models' own data, and nothing real in reach."""

import os

import pytest

from deployments.shadow.feed import Feed, read_feed
from deployments.shadow.home import shadow_home
from infra.errors import BackendError, ConfigError, DataError
from infra.ledger import Ledger
from infra.settings import PROJECT, settings
from tasks.references import Ending
from tasks.spec import load_spec

MODELS = PROJECT / "deployments"


@pytest.fixture(scope="module")
def people() -> Feed:
    """What the control's source holds."""
    return read_feed(load_spec("employment", MODELS))


def test_a_feed_has_the_windows_of_its_source(people: Feed) -> None:
    """Windows are read off the rows, by the calendar that the table declares."""
    assert people.windows == ("2015", "2016", "2017", "2018")
    assert sum(len(people.raw(window)["people"]) for window in people.windows) == 277_677


def test_a_feed_builds_features_by_the_builder_of_the_model(people: Feed) -> None:
    """Every declared column is there, and a row for each person of the year."""
    rows = people.features("2016", {"2016": people.raw("2016")})

    assert set(people.spec.features.columns) <= set(rows)
    assert len(rows) == len(people.raw("2016")["people"])


def test_a_feed_holds_a_delivery_to_the_contract(people: Feed) -> None:
    """A file in place of the source is judged as `ingest` judges it; the source itself passes."""
    before = {"2015": people.raw("2015")}
    half = people.raw("2016")["people"].head(30_000)

    own = people.examined("2016", before)
    cut = people.examined("2016", before, {"people": half})

    assert own.ending is Ending.ACCEPT
    assert len(own.frames["people"]) == len(people.raw("2016")["people"])
    assert cut.ending is Ending.REJECT


def test_a_source_that_is_not_there_is_named() -> None:
    """Without data nothing can be tried: the first file that is missing is told."""
    spec = load_spec("employment", MODELS)
    table = spec.data.tables["people"].model_copy(update={"path": "data/gone.parquet"})
    data = spec.data.model_copy(update={"tables": {"people": table}})

    with pytest.raises(DataError, match=r"gone\.parquet"):
        read_feed(spec.model_copy(update={"data": data}))


def test_a_shadow_home_reaches_no_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Store and ledger are its own while it lasts; afterwards all is as it was."""
    monkeypatch.setenv("PERENNIAL_STORE", "s3://the-real-one")
    settings.cache_clear()

    with shadow_home() as home:
        inside = settings().store_uri
        with pytest.raises((BackendError, ConfigError)):
            Ledger().entries("employment")

    assert inside == str(home / "store")
    assert not home.exists()
    assert os.environ["PERENNIAL_STORE"] == settings().store_uri == "s3://the-real-one"
    monkeypatch.undo()
    settings.cache_clear()
