import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from infra import store
from infra.bentos import Server, bento_digest, bento_record, serving_bento
from infra.errors import ConfigError, IntegrityError
from infra.models import load_model, predict_scores
from infra.pins import pins
from infra.settings import settings
from tasks.data.spec import LabelSpec
from tasks.features.spec import FeatureSpec
from tasks.frames import feature_rows
from tasks.packaging import package, smoke_test
from tasks.packaging.smoke import Questions, judge_answers, plain_rows
from tasks.packaging.spec import ServingSpec
from tasks.references import Bento, Candidate
from tests.support.feature_tables import candidate_of
from tests.support.killed import killed
from tests.support.stack import surroundings
from tests.support.trained import CATEGORICAL, FEATURES, KEY, Kind, trained

SERVING = ServingSpec(smoke_rows=30)
FEATURE_SPEC = FeatureSpec(key=KEY, columns=FEATURES, categorical=CATEGORICAL)


def label(kind: Kind) -> LabelSpec:
    """The label of the trained models."""
    return LabelSpec(name="late", kind=kind, delay=timedelta(0))


def packaged(model: str, kind: Kind = "binary", seed: int = 1) -> tuple[Candidate, Bento]:
    """A candidate and its Bento."""
    candidate = candidate_of(*trained(model, kind, seed))
    return candidate, package.fn(candidate, SERVING, FEATURE_SPEC, label(kind))


def gone(process: psutil.Process, within_s: float) -> bool:
    """Whether a process ends in time; a zombie has ended."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture(scope="module", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("packaging") / "home"
    with surroundings({"PERENNIAL_HOME": str(folder), "OMP_NUM_THREADS": "1"}):
        yield


@pytest.fixture(scope="module")
def rides(_own_home: None) -> tuple[Candidate, Bento]:
    """One packaged candidate that several tests look at."""
    return packaged("rides")


@pytest.fixture(scope="module")
def server(rides: tuple[Candidate, Bento]) -> Iterator[Server]:
    """Its server."""
    with serving_bento(rides[1].tag) as running:
        yield running


@pytest.fixture(scope="module")
def rows(rides: tuple[Candidate, Bento]) -> list[dict[str, Any]]:
    """Rows of the holdout as JSON carries them, some of their values missing."""
    table = rides[0].fitted.split.table
    return plain_rows(feature_rows(table, ["2013-03"])[list(FEATURES)])


def test_what_a_killed_build_left_is_swept_by_a_later_one() -> None:
    """Only what is too old to be a build that still runs."""
    old, young = (settings().home / "bentoml" / f"building-{age}" for age in ("old", "young"))
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))

    packaged("swept")

    assert not old.exists()
    assert young.exists()


def test_a_build_asks_nobody_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """BentoML would install uv; the lock has none, and a machine without a network builds, too."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    assert Path(packaged("alone")[1].uri).is_dir()


def test_a_bento_is_built_once_for_a_candidate(rides: tuple[Candidate, Bento]) -> None:
    """Packaged again, the same Bento is found by its tag."""
    candidate, bento = rides
    built = Path(bento.uri).stat().st_mtime_ns

    again = package.fn(candidate, SERVING, FEATURE_SPEC, label("binary"))

    assert again == bento
    assert bento.tag.startswith(f"rides:{candidate.digest[:12]}")
    assert Path(bento.uri).stat().st_mtime_ns == built
    assert len(list(Path(bento.uri).parent.glob(f"{candidate.digest[:12]}*"))) == 1


def test_a_bento_holds_all_that_it_needs(rides: tuple[Candidate, Bento]) -> None:
    """The stored model, the modules that answer and exact versions: no registry, no checkout."""
    candidate, bento = rides
    source = Path(bento.uri) / "src"

    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}

    assert {"serve.py", "service.py", "infra/models.py", "infra/errors.py"} <= files
    assert store.file_digest(source / "model" / "model.skops") == candidate.fitted.digest
    pinned = (Path(bento.uri) / "env" / "python" / "requirements.txt").read_text()
    assert set(pins("scikit-learn", "skops", "bentoml")) <= set(pinned.split())
    assert "mlflow" not in pinned


def test_a_bento_says_what_it_is_made_of(rides: tuple[Candidate, Bento]) -> None:
    """Version, digest and commit stand in its labels."""
    candidate, bento = rides

    text = (Path(bento.uri) / "bento.yaml").read_text()

    assert f"digest: {candidate.digest[:60]}" in text
    assert "version: '1'" in text
    assert "commit:" in text


def test_other_settings_make_another_bento(rides: tuple[Candidate, Bento]) -> None:
    """A changed declaration is not answered with the Bento of the old one."""
    candidate, bento = rides

    other = package.fn(
        candidate, SERVING.model_copy(update={"max_batch_size": 8}), FEATURE_SPEC, label("binary")
    )

    assert other.tag != bento.tag
    assert other.tag.startswith(f"rides:{candidate.digest[:12]}")


def test_a_killed_build_leaves_no_bento() -> None:
    """Half a Bento never has the tag; the next try builds a whole one."""
    candidate = candidate_of(*trained("half"))
    asked = {
        "candidate": candidate,
        "serving": SERVING,
        "features": FEATURE_SPEC,
        "label": label("binary"),
    }
    killed("tasks.packaging.bundling:package", "infra.bentos:_move", "before", **asked)

    bento = package.fn(candidate, SERVING, FEATURE_SPEC, label("binary"))

    assert bento_digest(Path(bento.uri)) == bento.digest
    assert len(list(Path(bento.uri).parent.iterdir())) == 1


def test_a_changed_model_is_not_packaged() -> None:
    """What was written over since registration goes into no Bento."""
    candidate = candidate_of(*trained("tampered"))
    path = store.local_path(f"{candidate.fitted.uri}/model.skops")
    path.write_bytes(path.read_bytes() + b"x")

    with pytest.raises(IntegrityError, match="is not the model of version 1"):
        package.fn(candidate, SERVING, FEATURE_SPEC, label("binary"))


def test_other_features_than_the_trained_are_refused(rides: tuple[Candidate, Bento]) -> None:
    """A declaration that moved on since the training does not name this model's inputs."""
    moved = FEATURE_SPEC.model_copy(update={"columns": FEATURES[::-1]})

    with pytest.raises(IntegrityError, match="was trained on 3 features"):
        package.fn(rides[0], SERVING, moved, label("binary"))


def test_the_served_predictions_are_the_offline_ones(
    rides: tuple[Candidate, Bento], server: Server, rows: list[dict[str, Any]]
) -> None:
    """Missing values included, each row gets the stored model's probability and the version."""
    fitted = rides[0].fitted
    model = load_model(fitted.uri, fitted.digest, fitted.trusted_types)
    frame = feature_rows(fitted.split.table, ["2013-03"])[list(FEATURES)]

    status, answers = server.ask("predict", {"rows": rows})

    assert status == 200
    assert [answer["prediction"] for answer in answers] == list(
        predict_scores(model, frame, "binary")
    )
    assert {answer["version"] for answer in answers} == {1}


def test_rows_asked_for_together_are_answered_apart(
    server: Server, rows: list[dict[str, Any]]
) -> None:
    """Adaptive batching hands every caller the predictions of its own rows."""
    expected = server.ask("predict", {"rows": rows})[1]

    with ThreadPoolExecutor(8) as callers:
        given = list(callers.map(lambda row: server.ask("predict", {"rows": [row]}), rows[:40]))

    assert [status for status, _ in given] == [200] * 40
    assert np.allclose(
        [answer[0]["prediction"] for _, answer in given],
        [answer["prediction"] for answer in expected[:40]],
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"hour": None}, None),
        ({"hour": "noon"}, "float_parsing"),
        ({"hour": "Infinity"}, "finite_number"),
        ({"origin": 7}, "string_type"),
        ({"tailnum": "N1"}, "extra_forbidden"),
    ],
)
def test_a_request_is_held_to_the_declared_features(
    server: Server, rows: list[dict[str, Any]], change: dict[str, Any], complaint: str | None
) -> None:
    """A value may be missing; what is no such feature or no such value is refused with 400."""
    status, answer = server.ask("predict", {"rows": [rows[1] | change]})

    assert status == (200 if complaint is None else 400)
    if complaint is not None:
        assert answer["detail"][0]["type"] == complaint


def test_a_row_without_a_feature_is_refused(server: Server, rows: list[dict[str, Any]]) -> None:
    """Absent is not null: a caller that forgot a column is told which."""
    lacking = {name: value for name, value in rows[0].items() if name != "distance"}

    status, answer = server.ask("predict", {"rows": [lacking]})

    assert status == 400
    assert answer["detail"][0]["loc"][-1] == "distance"


def test_a_server_says_who_answers(rides: tuple[Candidate, Bento], server: Server) -> None:
    """Readiness alone could be an old server's: the tag tells."""
    status, about = server.ask("about", {})

    assert status == 200
    assert about == {
        "model": "rides",
        "version": 1,
        "tag": rides[1].tag,
        "digest": rides[0].fitted.digest,
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_a_smoke_test_ends_in_a_sentence_with_numbers(kind: Kind) -> None:
    """Every kind of target is served as it is predicted offline; the Bento is on record then."""
    candidate, bento = packaged(f"smoked_{kind}", kind)

    tested = smoke_test.fn(bento, candidate, SERVING, label(kind))

    assert tested.smoke == (
        "30 holdout rows in 2 requests: largest difference from the offline predictions 0 "
        "(allowed 1e-09); a row without 'distance' was refused with status 400."
    )
    assert tested.model_copy(update={"smoke": ""}) == bento
    recorded = store.get_bytes(bento_record(candidate.model, candidate.digest))
    assert Bento.model_validate_json(recorded) == tested


@pytest.mark.slow
def test_a_bento_of_another_model_fails_its_smoke_test(rides: tuple[Candidate, Bento]) -> None:
    """A difference from the registered model stops the run, and nothing is on record."""
    other = candidate_of(*trained("rides", seed=9))

    with pytest.raises(IntegrityError, match="differs from the stored model by up to 0"):
        smoke_test.fn(rides[1], other, SERVING, label("binary"))

    assert not store.exists(bento_record(other.model, other.digest)) or other.digest == (
        rides[0].digest
    )


def test_a_changed_bento_is_not_started() -> None:
    """Its files are hashed before a process runs them."""
    candidate, bento = packaged("changed")
    service = Path(bento.uri) / "src" / "service.py"
    service.write_text(service.read_text() + "\n")

    with pytest.raises(IntegrityError, match="was changed after it was built"):
        smoke_test.fn(bento, candidate, SERVING, label("binary"))


@pytest.mark.slow
def test_a_server_does_not_outlive_a_killed_run(rides: tuple[Candidate, Bento]) -> None:
    """The run is killed with SIGKILL: the server and whatever it started are gone soon."""
    code = (
        "import os, psutil, sys, time\n"
        "from infra.bentos import serving_bento\n"
        "with serving_bento(sys.argv[1]) as server:\n"
        "    server.ask('about', {})\n"
        "    parent = psutil.Process(server.process.pid)\n"
        "    family = [parent, *parent.children(recursive=True)]\n"
        "    print([process.pid for process in family], flush=True)\n"
        "    time.sleep(60)\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code, rides[1].tag], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    family = [psutil.Process(pid) for pid in json.loads(run.stdout.readline())]

    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=10)

    assert family
    assert all(gone(process, within_s=20) for process in family)


def questions(**changes: object) -> Questions:
    """Two rows whose offline predictions are 0.25 and 0.75."""
    given = {
        "tag": "version 1 of rides",
        "version": 1,
        "batches": [[{"hour": 1.0}, {"hour": 2.0}]],
        "broken": {},
        "left_out": "hour",
        "classes": (),
        "scores": np.array([0.25, 0.75]),
    }
    return Questions.model_validate(given | changes)


def answers(*values: float, version: int = 1) -> list[tuple[int, Any]]:
    """One answer of a server."""
    return [(200, [{"prediction": value, "version": version} for value in values])]


@pytest.mark.parametrize(
    ("given", "refusal", "complaint"),
    [
        (answers(0.25, 0.75 + 1e-6), 400, "differs from the stored model by up to 1e-06"),
        (answers(0.25), 400, "differs from the stored model by up to inf"),
        (answers(0.25, float("nan")), 400, "differs from the stored model by up to nan"),
        (answers(0.25, 0.75, version=2), 400, "says that it is version 2"),
        ([(500, {})], 400, "answered 1 of 1 requests with status 500"),
        (answers(0.25, 0.75), 200, "answered a row without 'hour' with status 200"),
        (answers(0.25, 0.75), 500, "answered a row without 'hour' with status 500"),
    ],
)
def test_any_deviation_fails_the_smoke_test(
    given: list[tuple[int, Any]], refusal: int, complaint: str
) -> None:
    """Values, number, version, status and the refusal must all be as expected."""
    with pytest.raises(IntegrityError, match=complaint):
        judge_answers(questions(), given, (refusal, {}), tolerance=1e-9)


def test_an_unlocked_library_is_a_config_error() -> None:
    """What is not in the lock is not pinned by guess."""
    with pytest.raises(ConfigError, match="holds no version of no-such-library"):
        pins("skops", "no-such-library")
