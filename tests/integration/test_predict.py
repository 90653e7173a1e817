import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from infra import store
from infra.errors import ConfigError, DataError, IntegrityError
from infra.models import classes_of, load_model, predict_scores
from tasks.data.spec import DataSpec, LabelSpec, TableSpec
from tasks.frames import feature_rows
from tasks.packaging import find_predictions, predict, scored_among
from tasks.references import Bento, Champion, FeatureTable, Predictions
from tests.support.feature_tables import candidate_of
from tests.support.killed import killed
from tests.support.stack import surroundings
from tests.support.trained import AS_OF, FEATURES, Kind, trained

BINARY = LabelSpec(name="late", kind="binary")
LATER = AS_OF + timedelta(days=31)
FEED = DataSpec(
    timezone="America/New_York",
    label=BINARY,
    tables={"rides": TableSpec(path="r.csv", key=("ride",), columns={"ride": "string"})},
)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path) -> Iterator[None]:
    with surroundings({"PERENNIAL_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}):
        yield


def in_charge(kind: Kind = "binary", version: int = 1) -> Champion:
    """A champion whose model lies in this home's store."""
    candidate = candidate_of(*trained("rides", kind, seed=version), version=version)
    bento = Bento(tag="rides:1", uri=candidate.fitted.uri, digest="b", version=version, smoke="ok")
    return Champion(
        model="rides", version=version, since=AS_OF, candidate=candidate, bento=bento, entry="e"
    )


def of_old(version: int = 1) -> Champion:
    """The same, in charge since a month before the window."""
    return in_charge(version=version).model_copy(update={"since": AS_OF - timedelta(days=60)})


def features_of(champion: Champion) -> FeatureTable:
    """The table that the champion was trained from; it holds the window to predict too."""
    return champion.candidate.fitted.split.table


def rows_of(predictions: Predictions) -> pd.DataFrame:
    """What a consumer reads."""
    return store.read_windows(
        predictions.uri, predictions.version, [predictions.window], digest=predictions.digest
    )


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_every_row_is_predicted_as_of_its_own_time(kind: Kind) -> None:
    """Key, prediction time, value, version and scoring time of each row of the window."""
    champion = in_charge(kind)
    fitted, table = champion.candidate.fitted, features_of(champion)

    predictions = predict.fn(champion, table, "2013-03", LATER, LabelSpec(name="late", kind=kind))

    frame = feature_rows(table, ["2013-03"])
    model = load_model(fitted.uri, fitted.digest, fitted.trusted_types)
    rows = rows_of(predictions).set_index("ride").loc[frame["ride"]]
    assert list(rows.columns) == ["prediction_time", "prediction", "model_version", "scored_at"]
    assert (predictions.rows, predictions.model_version) == (120, 1)
    assert list(rows["prediction"]) == list(predict_scores(model, frame[list(FEATURES)], kind))
    assert list(rows["prediction_time"]) == list(frame["prediction_time"])
    assert set(rows["model_version"]) == {1}
    assert set(rows["scored_at"]) == {pd.Timestamp(LATER)}


def test_each_row_is_predicted_by_the_champion_of_its_time() -> None:
    """The first days are its predecessor's, which is in charge again at the end."""
    first, second = in_charge(version=1), in_charge(version=2)
    table = features_of(first)
    frame = feature_rows(table, ["2013-03"])
    times = frame["prediction_time"].sort_values().to_list()
    reigns = [
        each.model_copy(update={"since": since.to_pydatetime()})
        for each, since in ((first, times[9]), (second, times[39]), (first, times[79]))
    ]

    predictions = predict.fn(reigns[2], table, "2013-03", LATER, BINARY, (reigns[0], reigns[1]))

    rows = rows_of(predictions)
    when = rows["prediction_time"]
    middle = (when > times[39]) & (when <= times[79])
    assert list(rows["model_version"] == 2) == list(middle)
    assert 0 < middle.sum() < len(rows) == 120
    model = load_model(
        second.candidate.fitted.uri,
        second.candidate.fitted.digest,
        second.candidate.fitted.trusted_types,
    )
    asked = frame.set_index("ride").loc[rows.loc[middle, "ride"], list(FEATURES)]
    assert list(rows.loc[middle, "prediction"]) == list(predict_scores(model, asked, "binary"))
    assert predictions.model_version == 1


def test_who_learned_from_other_features_predicts_nothing_any_more() -> None:
    """Its rows are the champion's: the table does not have what it would look at."""
    champion, other = in_charge(version=2), in_charge(version=1)
    split = other.candidate.fitted.split
    table = split.table.model_copy(update={"features": (*split.table.features, "gone")})
    fitted = other.candidate.fitted.model_copy(
        update={"split": split.model_copy(update={"table": table})}
    )
    candidate = other.candidate.model_copy(update={"fitted": fitted})
    before = other.model_copy(update={"candidate": candidate, "since": AS_OF - timedelta(days=90)})

    predictions = predict.fn(champion, features_of(champion), "2013-03", LATER, BINARY, (before,))

    assert set(rows_of(predictions)["model_version"]) == {2}


def test_a_class_is_predicted_with_the_probability_of_each() -> None:
    """The most likely class stands beside all of the probabilities."""
    champion = in_charge("multiclass")
    fitted, table = champion.candidate.fitted, features_of(champion)

    predictions = predict.fn(
        champion, table, "2013-03", LATER, LabelSpec(name="late", kind="multiclass")
    )

    model = load_model(fitted.uri, fitted.digest, fitted.trusted_types)
    frame = feature_rows(table, ["2013-03"])
    rows = rows_of(predictions).set_index("ride").loc[frame["ride"]]
    chances = [json.loads(text) for text in rows["probabilities"]]
    assert list(rows["prediction"]) == [max(each, key=each.__getitem__) for each in chances]
    assert list(rows["prediction"]) == list(model.predict(frame[list(FEATURES)]))
    assert tuple(chances[0]) == classes_of(model)
    assert all(abs(sum(each.values()) - 1) < 1e-9 for each in chances)


def test_predicting_again_writes_nothing() -> None:
    """A prediction is a fact: the same version's answer keeps the time of the first."""
    champion = in_charge()
    first = predict.fn(champion, features_of(champion), "2013-03", AS_OF, BINARY)

    again = predict.fn(champion, features_of(champion), "2013-03", LATER, BINARY)

    assert again == first
    assert store.current_version(first.uri) == first.version
    assert set(rows_of(first)["scored_at"]) == {pd.Timestamp(AS_OF)}


def test_predictions_of_another_version_are_kept_beside() -> None:
    """Who predicted first stays on record; each version's rows are read by their digest."""
    first, second = in_charge(version=1), in_charge(version=2)
    earlier = predict.fn(first, features_of(first), "2013-03", AS_OF, BINARY)

    later = predict.fn(second, features_of(second), "2013-03", LATER, BINARY)

    assert store.partitions(later.uri)["2013-03"] == {earlier.digest, later.digest}
    newest = later.model_copy(update={"digest": earlier.digest})
    assert set(rows_of(newest)["model_version"]) == {1}
    assert set(rows_of(later)["model_version"]) == {2}


def test_the_predictions_of_the_time_are_found() -> None:
    """A monitor that replays the past sees what was predicted by then, and by whom."""
    first, second = of_old(version=1), in_charge(version=2)
    earlier = predict.fn(first, features_of(first), "2013-03", AS_OF, BINARY)
    later = predict.fn(second, features_of(second), "2013-03", LATER, BINARY)

    assert find_predictions.fn(first, "2013-03", AS_OF, FEED) == earlier
    assert find_predictions.fn(first, "2013-03", LATER, FEED) == later
    assert find_predictions.fn(first, "2013-03", AS_OF - timedelta(days=1), FEED).rows == 0


def test_a_silence_is_an_answer_and_a_mistake_is_an_error() -> None:
    """Somebody was in charge in March; April had not begun then."""
    champion = of_old()

    silent = find_predictions.fn(champion, "2013-03", AS_OF, FEED)

    assert (silent.rows, silent.model_version) == (0, champion.version)
    assert scored_among.fn("rides", ("2013-03",), LATER) == ()
    with pytest.raises(ConfigError, match=r"2013-05 has not begun .* it does on 2013-05-01 04:00"):
        find_predictions.fn(champion, "2013-05", AS_OF, FEED)
    with pytest.raises(ConfigError, match="2013-03-10 is no window of this feed, whose grain is"):
        find_predictions.fn(champion, "2013-03-10", AS_OF, FEED)


@pytest.mark.slow
def test_a_killed_scoring_leaves_one_set_of_predictions() -> None:
    """Killed between the table and the record, the second try adds the record alone."""
    champion = in_charge()
    asked = {
        "champion": champion,
        "table": features_of(champion),
        "window": "2013-03",
        "as_of": AS_OF,
        "label": BINARY,
    }
    killed(
        "tasks.packaging.scoring:predict", "tasks.packaging.scoring:put_bytes", "before", **asked
    )

    predictions = predict.fn(champion, features_of(champion), "2013-03", LATER, BINARY)

    assert store.partitions(predictions.uri) == {"2013-03": {predictions.digest}}
    assert len(rows_of(predictions)) == 120
    assert find_predictions.fn(champion, "2013-03", LATER, FEED) == predictions
    assert scored_among.fn("rides", ("2013-02", "2013-03"), LATER) == ("2013-03",)


def test_a_window_without_features_is_a_data_error() -> None:
    """What was not ingested is not predicted."""
    champion = in_charge()

    with pytest.raises(DataError, match="hold no window 2013-09") as caught:
        predict.fn(champion, features_of(champion), "2013-09", AS_OF, BINARY)

    assert "The newest that there is: 2013-03." in caught.value.advice


def test_a_changed_model_predicts_nothing() -> None:
    """The champion's file is hashed before it is opened."""
    champion = in_charge()
    path = store.local_path(f"{champion.candidate.fitted.uri}/model.skops")
    path.write_bytes(path.read_bytes() + b"x")

    with pytest.raises(IntegrityError, match="was recorded"):
        predict.fn(champion, features_of(champion), "2013-03", AS_OF, BINARY)

    assert store.partitions(store.uri("rides", "predictions")) == {}
