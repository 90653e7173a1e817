from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra import store
from infra.errors import BackendError, ConfigError, IntegrityError
from infra.ledger import Kind, Ledger
from infra.serving import pointer, serving, withdraw
from infra.tracking import alias, point_alias, tracker, versions
from tasks.references import Candidate, Cause
from tasks.registry import champion, crown, find_version, register, repair, require_champion
from tasks.registry.succession import differences
from tests.support.killed import killed
from tests.support.registered import bento_on_record, crowned, registered
from tests.support.stack import Stack
from tests.support.trained import AS_OF, FEATURES, trained

REGISTER = "tasks.registry.registration:register"
CROWN = "tasks.registry.succession:crown"
LATER = AS_OF + timedelta(days=31)


def crownings(model: str) -> list[Kind]:
    """What the ledger says of who was in charge."""
    entries = Ledger().entries(model, (Kind.PROMOTION, Kind.ROLLBACK))
    return [entry.kind for entry in entries]


def in_mlflow(model: str) -> tuple[int, int, int]:
    """How many runs, finished runs and versions MLflow has of a model."""
    with tracker() as client:
        place = client.get_experiment_by_name(model)
        runs = [] if place is None else client.search_runs([place.experiment_id])
        finished = [run for run in runs if run.info.status == "FINISHED"]
        return len(runs), len(finished), len(versions(client, model))


@pytest.fixture(scope="module")
def rides(stack: Stack) -> Iterator[Candidate]:
    """One registered candidate that several tests look at."""
    with stack.entered():
        yield registered("rides")


def test_a_registered_run_says_what_made_the_candidate(stack: Stack, rides: Candidate) -> None:
    """Parameters, metrics, data, commit, lock, seed, cause and time stand in MLflow."""
    with tracker() as client:
        run = client.get_run(rides.run_id)

    assert run.info.status == "FINISHED"
    assert run.data.metrics["log_loss"] == rides.evaluation.metrics["log_loss"]
    assert run.data.metrics["baseline/log_loss"] == rides.evaluation.baseline["log_loss"]
    assert run.data.params["max_iter"] == "6"
    assert run.data.params["seed"] == "1"
    assert run.data.tags["perennial.commit"] == rides.commit
    assert run.data.tags["perennial.lock"] == rides.lock
    assert run.data.tags["perennial.cause"] == "person"
    assert run.data.tags["perennial.as_of"] == "2013-04-01T00:00:00+00:00"
    assert run.data.tags["perennial.data_version"] == rides.data_version
    assert {(data.tags[0].value, data.dataset.name) for data in run.inputs.dataset_inputs} == {
        ("training", "rides features, 2013-01 to 2013-02"),
        ("holdout", "rides features, 2013-03"),
    }


def test_the_registered_file_is_the_trained_file(
    stack: Stack, rides: Candidate, tmp_path: Path
) -> None:
    """MLflow's copy of the model has the digest of the stored one, and predicts as it does."""
    import mlflow

    from infra.models import load_model
    from tests.support.trained import feature_frame

    folder = Path(mlflow.artifacts.download_artifacts(rides.uri, dst_path=str(tmp_path)))
    loaded = mlflow.sklearn.load_model(rides.uri)

    fitted = rides.fitted
    assert store.file_digest(folder / "model.skops") == fitted.digest
    rows = feature_frame("2013-03", "binary")[list(FEATURES)]
    stored = load_model(fitted.uri, fitted.digest, fitted.trusted_types)
    assert (loaded.predict_proba(rows) == stored.predict_proba(rows)).all()


def test_the_signature_names_every_feature(stack: Stack, rides: Candidate) -> None:
    """A reader of MLflow sees what the model takes, with an example."""
    from mlflow.models import get_model_info

    info = get_model_info(rides.uri)

    assert tuple(info.signature.inputs.input_names()) == FEATURES
    assert info.saved_input_example_info is not None


def test_the_run_link_opens_mlflow(stack: Stack, rides: Candidate) -> None:
    """The link on the run page leads to the server that the stack runs."""
    assert rides.run_url.startswith(f"{stack.addresses.mlflow}/#/experiments/")
    assert rides.run_url.endswith(f"/runs/{rides.run_id}")


def test_registering_again_gives_the_same_version(stack: Stack, rides: Candidate) -> None:
    """One candidate, one run, one version, however often it is asked for."""
    again = register.fn(rides.fitted, rides.evaluation, rides.cause, rides.as_of)

    assert again == rides
    assert in_mlflow("rides") == (1, 1, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "when"),
    [
        ("mlflow:MlflowClient.create_run", "after"),
        ("mlflow:MlflowClient.log_model_artifacts", "after"),
        ("mlflow:MlflowClient.create_model_version", "after"),
        ("mlflow:MlflowClient.set_terminated", "before"),
    ],
)
def test_a_killed_registration_is_gone_on_with(stack: Stack, at: str, when: str) -> None:
    """Killed at any point and run again, there is one run, finished, and one version."""
    model = f"killed_{at.rpartition('.')[2]}"
    fitted, evaluation = trained(model)
    killed(
        REGISTER,
        at,
        when,
        fitted=fitted,
        evaluation=evaluation,
        cause=Cause.DRIFT,
        as_of=AS_OF,
    )

    candidate = register.fn(fitted, evaluation, Cause.DRIFT, AS_OF)

    assert in_mlflow(model) == (1, 1, 1)
    assert candidate.version == 1
    with tracker() as client:
        assert versions(client, model)[1].tags["perennial.digest"] == candidate.digest


def test_a_changed_model_is_not_registered(stack: Stack) -> None:
    """What was written over since training is no candidate, and no version is made of it."""
    fitted, evaluation = trained("tampered")
    path = store.local_path(f"{fitted.uri}/model.skops")
    path.write_bytes(path.read_bytes() + b"x")

    with pytest.raises(IntegrityError, match="was recorded"):
        register.fn(fitted, evaluation, Cause.PERSON, AS_OF)

    assert in_mlflow("tampered")[2] == 0


def test_a_tracker_that_is_away_is_a_backend_error(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody meets MLflow's traceback first."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")

    with pytest.raises(BackendError, match="MLflow at"):
        registered("nowhere")


def test_nothing_is_in_charge_before_the_first_promotion(stack: Stack) -> None:
    """A model without a champion is a fact for `train`, and an error for `score`."""
    assert champion.fn("unheard_of") is None
    with pytest.raises(ConfigError, match="has no champion"):
        require_champion.fn("unheard_of", AS_OF)


def test_a_crowned_version_is_champion_everywhere(stack: Stack) -> None:
    """The ledger, MLflow's alias and what serves name the same version."""
    candidate = registered("crowned")

    chosen = crowned(candidate)

    assert champion.fn("crowned") == chosen
    assert chosen.candidate == candidate
    with tracker() as client:
        assert alias(client, "crowned", "champion") == 1
        assert versions(client, "crowned")[1].tags["perennial.entry"] == chosen.entry
    held = serving("crowned")
    assert held is not None
    assert (held.version, held.entry, held.bento) == (1, chosen.entry, chosen.bento.tag)


def test_the_champion_of_the_past_is_the_one_of_the_time(stack: Stack) -> None:
    """A replay sees who was in charge then; an older version put back is a rollback."""
    first, second = registered("replayed", seed=1), registered("replayed", seed=2)
    crowned(first, AS_OF)
    crowned(second, LATER)
    crowned(first, LATER + timedelta(days=1), evidence="complaints")

    told = [champion.fn("replayed", AS_OF + timedelta(days=days)) for days in (0, 1, 31, 32, 33)]

    assert [each and each.version for each in told] == [None, 1, 1, 2, 1]
    assert crownings("replayed") == [Kind.PROMOTION, Kind.PROMOTION, Kind.ROLLBACK]


def test_a_promotion_dated_in_the_past_leaves_the_present_champion(stack: Stack) -> None:
    """The projections follow the newest decision, not the one that was written last."""
    first, second = registered("backdated", seed=1), registered("backdated", seed=2)
    crowned(second, LATER)

    crowned(first, AS_OF)

    held = serving("backdated")
    assert held is not None
    assert held.version == 2
    with tracker() as client:
        assert alias(client, "backdated", "champion") == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "when"),
    [
        ("infra.ledger:Ledger.append", "after"),
        ("mlflow:MlflowClient.set_registered_model_alias", "after"),
        ("tasks.registry.succession:serve", "after"),
    ],
)
def test_a_killed_promotion_is_one_promotion(stack: Stack, at: str, when: str) -> None:
    """Ledger, MLflow and what serves agree after the second try, and there is one entry."""
    model = f"halfway_{at.rpartition('.')[2].rpartition(':')[2]}_{when}"
    candidate = registered(model)
    asked: dict[str, Any] = {
        "candidate": candidate,
        "bento": bento_on_record(candidate),
        "as_of": AS_OF,
        "reason": "better",
        "actor": "gate",
        "evidence": "e1",
    }
    killed(CROWN, at, when, **asked)

    chosen = crown.fn(**asked)

    assert crownings(model) == [Kind.PROMOTION]
    held = serving(model)
    assert held is not None
    assert held.entry == chosen.entry
    with tracker() as client:
        assert alias(client, model, "champion") == chosen.version
        tags = versions(client, model)[1].tags
    assert tags["perennial.entry"] == chosen.entry
    assert repair(model) == ()


def test_crowning_again_writes_no_second_entry(stack: Stack) -> None:
    """The same version on the same evidence at the same time is one decision."""
    candidate = registered("twice")
    first = crowned(candidate)

    again = crowned(candidate)

    assert again == first
    assert crownings("twice") == [Kind.PROMOTION]


def test_repair_follows_the_ledger(stack: Stack) -> None:
    """A hand on MLflow's alias or a lost file changes nothing about who is champion."""
    first, second = registered("repaired", seed=1), registered("repaired", seed=2)
    crowned(first)
    with tracker() as client:
        point_alias(client, "repaired", "champion", second.version)
    withdraw("repaired")

    mended = repair("repaired")

    assert len(mended) == 2
    with tracker() as client:
        assert alias(client, "repaired", "champion") == 1
    held = serving("repaired")
    assert held is not None
    assert held.version == 1
    assert repair("repaired") == ()


def test_repair_takes_away_what_the_ledger_never_said(stack: Stack) -> None:
    """An alias that somebody set without a decision makes no champion."""
    candidate = registered("usurped")
    with tracker() as client:
        point_alias(client, "usurped", "champion", candidate.version)

    mended = repair("usurped")

    assert mended == ("MLflow's alias champion of usurped pointed at 1, now at None.",)
    with tracker() as client:
        assert alias(client, "usurped", "champion") is None


def test_a_version_that_somebody_deleted_is_a_sentence_and_stops_nothing(stack: Stack) -> None:
    """Its Bento serves on; `up` and `status` say what is gone instead of failing."""
    crowned(registered("deleted"))
    with tracker() as client:
        client.delete_registered_model("deleted")
    withdraw("deleted")

    seen, told = differences("deleted"), repair("deleted")

    assert seen[0] == told[0]
    assert "no version 1 of deleted" in told[0]
    assert "now version 1" in told[1]


def test_a_damaged_pointer_is_written_anew(stack: Stack) -> None:
    """What serves is a projection: nothing is lost with it."""
    crowned(registered("damaged"))
    store.put_bytes(pointer("damaged"), b"{}")
    with pytest.raises(IntegrityError, match="does not say what serves"):
        serving("damaged")

    repair("damaged")

    held = serving("damaged")
    assert held is not None
    assert held.version == 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"smoke": ""}, "it was never smoke-tested"),
        ({"version": 2}, "it holds version 2"),
        ({"uri": "/nowhere/bento"}, "/nowhere/bento is gone"),
    ],
)
def test_only_a_tested_bento_of_the_version_is_crowned(
    stack: Stack, change: dict[str, Any], complaint: str
) -> None:
    """Nothing serves that is not there, is another's, or never answered in its own process."""
    candidate = registered("untested")
    bento = bento_on_record(candidate).model_copy(update=change)

    with pytest.raises(ConfigError, match=complaint):
        crown.fn(candidate, bento, AS_OF, "better", "gate", "e1")

    assert crownings("untested") == []


def test_a_version_is_found_with_its_bento(stack: Stack) -> None:
    """A rollback needs nothing but the number."""
    candidate = registered("found")
    bento = bento_on_record(candidate)

    assert find_version.fn("found", 1) == (candidate, bento)
    with pytest.raises(ConfigError, match="no version 7"):
        find_version.fn("found", 7)


def test_a_version_that_was_never_tested_is_not_found(stack: Stack) -> None:
    """A registration whose Bento is missing cannot be promoted, and says why."""
    registered("unpackaged")

    with pytest.raises(ConfigError, match="never smoke-tested"):
        find_version.fn("unpackaged", 1)


def test_the_champion_is_never_answered_from_a_cache(stack: Stack) -> None:
    """The same question in two runs of a flow gets the answer of the time it is asked."""
    from prefect import flow

    @flow(name="ask", persist_result=False)
    def ask(model: str) -> int:
        asked = champion(model)
        return 0 if asked is None else asked.version

    before = ask("moving")
    crowned(registered("moving"))

    assert (before, ask("moving")) == (0, 1)
