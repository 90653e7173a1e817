"""A model beside itself: the shipped models' own data, and nothing real in reach."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.shadow.champion import described, train_shadow
from deployments.shadow.feed import Feed, read_feed
from deployments.shadow.home import shadow_home
from infra.errors import BackendError, ConfigError, DataError
from infra.ledger import Ledger
from infra.settings import PROJECT, settings
from tasks.references import Action, Ending, WatchKind
from tasks.spec import load_spec
from tests.support.homes import environment

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


def test_what_a_kill_leaves_of_a_shadow_home_goes_with_the_next(tmp_path: Path) -> None:
    """No folder of hundreds of megabytes stays for ever where nobody looks."""
    killed = "import os; from deployments.shadow.home import shadow_home as home\n"
    killed += "with home(): os.kill(os.getpid(), 9)"
    with environment({"PERENNIAL_HOME": str(tmp_path)}):
        ended = subprocess.run([sys.executable, "-c", killed], cwd=PROJECT, check=False)
        left = [*tmp_path.glob("tmp/*")]

        with shadow_home() as home:
            there = [*tmp_path.glob("tmp/*")]

    assert (ended.returncode, len(left)) == (-signal.SIGKILL, 1)
    assert there == [home]


def test_a_shadow_champion_is_watched_by_the_monitors_own_rules(people: Feed) -> None:
    """Trained on one year and judged on the next, it rests on the third and sees that it broke."""
    few = {
        window: people.features(window, {window: people.raw(window)}).iloc[::20]
        for window in people.windows[:3]
    }
    rows = {window: each.reset_index(drop=True) for window, each in few.items()}
    first = {window: rows[window] for window in ("2015", "2016")}
    broken = rows["2017"].assign(employed=1 - rows["2017"]["employed"])

    other = {**first, "2015": rows["2015"].assign(AGEP=rows["2015"]["AGEP"] + 1)}

    with shadow_home():
        shadow = train_shadow(people.spec, first, people.known_at("2016"))
        of_others = train_shadow(people.spec, other, people.known_at("2016"), seed=1)
        table = described(people.spec, rows, people.known_at("2017"))
        calm, loud = (shadow.verdict("2017", each, table) for each in (rows["2017"], broken))

    assert shadow.champion.candidate.fitted.split.train == ("2015",)
    assert of_others.champion.candidate.fitted.uri != shadow.champion.candidate.fitted.uri
    assert calm.action is Action.REST
    assert calm.rows == len(rows["2017"])
    assert loud.action is Action.RETRAIN
    assert loud.causes[0].kind is WatchKind.PERFORMANCE
