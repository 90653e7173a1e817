"""The profile of a version: drawn once from real tables, held against windows ever after."""

import importlib
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from infra import store
from infra.errors import DataError, IntegrityError
from tasks.frames import feature_batches, feature_rows
from tasks.monitoring.drift import compare
from tasks.monitoring.learned import FEATURES, PREDICTIONS, SAMPLE, TARGET, Learned, learned
from tasks.monitoring.sketches.profiles import draw_profile
from tasks.references import Action, Profiled
from tasks.registry.record import Request
from tests.support.feature_tables import bare_home
from tests.support.rides import ROWS, SPEC, WINDOWS, Kind, World
from tests.support.shapes import CHANGES, SHAPES, batches, exact


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of the test's own, whose servers are only named."""
    with bare_home(tmp_path / "home") as folder:
        yield folder


def drawn(world: World) -> Profiled:
    """The champion's profile."""
    found = world.champion.candidate.profiled
    assert found is not None
    return found


def held(world: World) -> Learned:
    """What it holds."""
    return learned(drawn(world))


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_features_target_and_predictions_are_counted_row_for_row(kind: Kind) -> None:
    """All labelled training rows, and all predictions on the holdout."""
    world = World(kind)

    found = held(world)

    assert (found.features.rows, found.target.rows) == (2 * ROWS, 2 * ROWS)
    assert found.predictions.rows == ROWS
    assert list(found.features.columns) == ["hour", "origin"]
    assert list(found.target.columns) == ["late"]
    assert len(found.sample) == SPEC.report_rows


def test_the_same_training_has_the_same_profile_under_the_same_name() -> None:
    """A training that is begun again after a kill registers the same version."""
    world = World()
    first = drawn(world)

    world.profiled()

    assert drawn(world) == first
    assert all(store.exists(place) for place in first.uris.values())


def test_a_profile_is_part_of_what_a_version_is() -> None:
    """Another profile is another version; what was registered without one keeps its name."""
    candidate = World().champion.candidate
    asked = Request(
        fitted=candidate.fitted,
        evaluation=candidate.evaluation,
        cause=candidate.cause,
        as_of=candidate.as_of,
    )
    before = store.digest_of(
        "rides", "f", "v", candidate.fitted.split.table.history, candidate.cause, candidate.as_of
    )

    assert asked.digest == before
    assert asked.model_copy(update={"profiled": candidate.profiled}).digest != before


def test_a_window_is_judged_without_a_row_of_the_training() -> None:
    """The rows of all windows before are deleted, predicted or not: the verdict is as it was."""
    world = World(shift=0.6)
    world.predictions(WINDOWS[1])
    world.predictions(WINDOWS[2])
    said = world.predictions()
    before = world.verdict(said)

    for window in WINDOWS[:3]:
        shutil.rmtree(Path(world.table.uri, f"{store.WINDOW}={window}"))

    assert world.verdict(said) == before
    assert before.drift["hour"] > 0.2


def test_a_version_without_a_profile_is_answered_with_a_sentence() -> None:
    """It was registered before there were profiles; its labels are judged as ever."""
    world = World(shift=5.0)
    world.profiled(kept=False)

    verdict = world.verdict()

    assert verdict.action is Action.ALERT
    assert any("was registered before versions had a profile" in each for each in verdict.reasons)
    assert verdict.drift == {}
    assert "roc_auc" in verdict.metrics
    assert "prediction_psi" not in verdict.metrics


def test_the_target_is_watched_beside_the_predictions() -> None:
    """Labels of another world have another distribution than those that were learned."""
    still, moved = World("regression"), World("regression", shift=2.0)

    assert still.verdict().metrics["target_psi"] < 0.1
    assert moved.verdict().metrics["target_psi"] > 1


@pytest.mark.parametrize("name", [FEATURES, TARGET, PREDICTIONS, SAMPLE])
def test_a_file_that_was_changed_or_lost_stops_the_watching(name: str) -> None:
    """What stands for the training must be what was recorded."""
    world = World()
    place = Path(drawn(world).uris[name])
    whole = place.read_bytes()

    place.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(IntegrityError, match=f"{name} has digest"):
        world.verdict()
    place.unlink()
    with pytest.raises(DataError, match="is gone"):
        world.verdict()


def test_a_feature_that_the_window_no_longer_has_is_named() -> None:
    """The message says until when it must be kept."""
    world = World()
    without = world.table.model_copy(update={"features": ("hour",)})

    with pytest.raises(DataError, match="lacks 1 features of the champion: origin"):
        world.verdict(table=without)


def test_batches_hold_the_rows_that_frames_hold() -> None:
    """The same rows in the same order, labelled ones only where those are asked for."""
    world = World()
    early = world.table.model_copy(update={"as_of": pd.Timestamp("2013-02-03T12:00Z")})
    columns = ["ride", "hour", "origin"]

    for labelled in (False, True):
        rows = feature_rows(early, WINDOWS[:2], columns, labelled=labelled)
        parts = feature_batches(early, WINDOWS[:2], columns, labelled=labelled)
        frame = pd.concat([each.to_pandas() for each in parts], ignore_index=True)

        pd.testing.assert_frame_equal(frame, rows, check_dtype=False)
        assert (len(frame) < 2 * ROWS) is labelled


def test_a_column_that_was_declared_later_is_missing_in_windows_of_before() -> None:
    """Batches read files, which know no column that came after them."""
    world = World()
    wider = world.frames[WINDOWS[0]].assign(humid=0.5)
    store.write_window(world.table.uri, wider, "2013-05", "wider")
    version = store.current_version(world.table.uri)
    part = world.table.parts[0]

    [old] = store.read_batches(world.table.uri, version, part.window, part.digest, ["humid"])
    [new] = store.read_batches(world.table.uri, version, "2013-05", "wider", ["humid", "hour"])

    assert old.column("humid").null_count == ROWS
    assert new.schema.names == ["humid", "hour"]
    assert new.column("humid").null_count == 0


def test_batches_of_rows_that_were_not_recorded_are_refused() -> None:
    """A window that nobody built, and one that holds fewer rows than it should."""
    table = World().table
    other = table.parts[0].model_copy(update={"rows": ROWS + 1})

    with pytest.raises(DataError, match="hold no window 2019-01"):
        list(feature_batches(table, ["2019-01"], ["hour"]))
    with pytest.raises(IntegrityError, match=f"holds {ROWS:,} rows"):
        list(
            feature_batches(
                table.model_copy(update={"parts": (other, *table.parts[1:])}),
                WINDOWS[:1],
                ["hour"],
            )
        )


def test_distances_are_those_that_evidently_shows() -> None:
    """Wasserstein of numbers as Evidently norms it, PSI and Jensen-Shannon of few values."""
    draws, rows = np.random.default_rng(5), 20_000
    before = {name: SHAPES[name](draws, rows) for name in ("normal", "long tail", "rounded")}
    after = {name: CHANGES["a little"](values, draws) for name, values in before.items()}
    before["port"] = draws.choice(np.array(["EWR", "JFK", "LGA"], dtype=object), rows)
    after["port"] = draws.choice(np.array(["EWR", "JFK", "SWF"], dtype=object), rows)
    few = {"flag": (0.05, 0.5), "constant": (0.0, 1.0), "rare event": (0.08, 0.02)}
    for name, (then, now) in few.items():
        most = 8 if name == "rare event" else 1
        before[name], after[name] = (
            np.where(draws.random(rows) < share, draws.integers(1, most, rows, endpoint=True), 0.0)
            for share in (then, now)
        )
    profiled, _ = draw_profile(lambda: batches(before, rows), list(before), ["port"], seed=9)

    drift = compare(profiled, profiled.sketch(batches(after, 999)), {}).features

    frames = pd.DataFrame(after), pd.DataFrame(before)
    for name in ("normal", "long tail", "rounded"):
        assert drift[name].wasserstein == pytest.approx(
            _evidently(name, "wasserstein", *frames), abs=1e-3
        )
        assert drift[name].ks == pytest.approx(exact(before[name], after[name]).ks, abs=1e-3)
    for name in ("port", *few):
        assert drift[name].psi == pytest.approx(_evidently(name, "psi", *frames), rel=1e-3)
        assert drift[name].jensen_shannon == pytest.approx(
            _evidently(name, "jensenshannon", *frames), abs=1e-3
        )


def _evidently(name: str, method: str, current: pd.DataFrame, reference: pd.DataFrame) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what numpy, litestar and others say of it is none of ours
        evidently = importlib.import_module("evidently")
        metrics = importlib.import_module("evidently.metrics")
        numeric = [each for each in current if each != "port"]
        definition = evidently.DataDefinition(
            numerical_columns=numeric, categorical_columns=["port"]
        )
        frames = [
            evidently.Dataset.from_pandas(frame, data_definition=definition)
            for frame in (current, reference)
        ]
        done = evidently.Report([metrics.ValueDrift(column=name, method=method)]).run(*frames)
    return float(done.dict()["metrics"][0]["value"])
