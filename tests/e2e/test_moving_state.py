"""What is kept of a step and what never is: moving state, lost artifacts, other code."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from prefect import flow
from prefect.client.schemas.objects import State

from infra import steps as kept
from infra.ledger import Entry, Kind, Ledger
from infra.store import put_bytes, uri
from infra.tracking import tracker, versions
from tasks.data import inspect, read_history, receive
from tasks.features import build_features, split_by_time
from tasks.packaging import find_predictions
from tasks.packaging.scoring import Scored
from tasks.references import Cause, Champion, Predictions
from tasks.registry import champion, register
from tasks.spec import load_spec
from tasks.training import fit
from tests.support.small_model import Declared
from tests.support.standing import closed
from tests.support.subjects import bento, candidate
from tests.support.trained import trained

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MODEL = "cached"
MONTHS = ("2024-01", "2024-02", "2024-03")
WHEN = datetime(2024, 7, 1, tzinfo=UTC)

T = TypeVar("T")


@pytest.fixture(scope="module")
def seeded(declared: Declared) -> Declared:
    """The model with three months in."""
    from tests.support.deliveries import ingested

    with declared.entered():
        for month in MONTHS:
            ingested(month, model=declared.name)
    return declared


def in_a_run(model: str, work: Callable[[], T]) -> T:
    """What some steps give back in a flow run of their own, which reads the code anew."""
    found: list[T] = []

    @flow(name="probe")
    def probe(model: str) -> None:
        found.append(work())

    kept._code_of.cache_clear()
    probe(model)
    return found[0]


def fitted(model: str, seed: int) -> State[Any]:
    """The final state of the step `fit` in a run of its own."""

    def work() -> State[Any]:
        spec = load_spec(model)
        training = spec.training.model_copy(update={"seed": seed})
        table = build_features(read_history(model, closed(MONTHS[-1])), spec.features, spec.data)
        split = split_by_time(table, training, None)
        state: State[Any] = fit(
            split, training, spec.evaluation, spec.features, spec.data.label, return_state=True
        )
        return state

    return in_a_run(model, work)


def inspected(model: str) -> State[Any]:
    """The final state of the step `inspect` in a run of its own."""

    def work() -> State[Any]:
        data = load_spec(model).data
        delivery = receive(model, data, MONTHS[-1], closed(MONTHS[-1]), {})
        history = read_history(model, closed(MONTHS[-1])).before(MONTHS[-1])
        state: State[Any] = inspect(delivery, history, data, return_state=True)
        return state

    return in_a_run(model, work)


def test_the_history_is_never_answered_from_an_earlier_run(seeded: Declared, model: str) -> None:
    """Asked with the same arguments it holds what has come since."""
    from tests.support.deliveries import ingested

    before = in_a_run(model, lambda: read_history(model, WHEN).windows)
    ingested("2024-04", model=model)
    after = in_a_run(model, lambda: read_history(model, WHEN).windows)

    assert (before, after) == (MONTHS, (*MONTHS, "2024-04"))


def test_the_champion_is_never_answered_from_an_earlier_run(seeded: Declared, model: str) -> None:
    """A promotion counts in the very next run."""
    seen = []

    for version in (1, 2):
        crown(model, version)
        found = in_a_run(model, lambda: champion(model, WHEN))
        seen.append(found.version if found else None)

    assert seen == [1, 2]


def test_another_database_of_mlflow_gets_the_version_too(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one registry knows is no answer for another: the step asks the one that is there."""
    made = trained("moved")
    first = in_a_run(model, lambda: register(*made, Cause.PERSON, WHEN))
    monkeypatch.chdir(tmp_path)  # where MLflow without a server puts its artifacts
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")

    second, third = (in_a_run(model, lambda: register(*made, Cause.PERSON, WHEN)) for _ in "ab")

    with tracker() as client:
        assert list(versions(client, "moved")) == [1]
    assert second == third != first
    assert (second.version, second.digest) == (1, first.digest)


def test_predictions_are_never_answered_from_an_earlier_run(seeded: Declared, model: str) -> None:
    """What was predicted anew is what is found."""
    seen, feed = [], load_spec(model).data
    someone = Champion(
        model=model, version=1, since=WHEN, candidate=candidate(1), bento=bento(1), entry="e"
    )

    for version in (1, 2):
        predict(model, version)
        found = in_a_run(model, lambda: find_predictions(someone, MONTHS[-1], WHEN, feed))
        seen.append(found.model_version)

    assert seen == [1, 2]


def test_a_step_whose_artifact_is_gone_is_done_again(seeded: Declared, model: str) -> None:
    """A kept result that points at nothing is no result."""
    first, second = fitted(model, seed=1), fitted(model, seed=1)
    made = first.result()
    Path(made.uri, "model.skops").unlink()
    for path in Path(made.uri).iterdir():
        path.unlink()
    Path(made.uri).rmdir()

    third, fourth = fitted(model, seed=1), fitted(model, seed=1)

    assert [each.name for each in (first, second, third, fourth)] == [
        "Completed",
        "Cached",
        "Completed",
        "Cached",
    ]
    assert Path(made.uri, "model.skops").exists()
    assert third.result() == made


def test_a_step_whose_model_file_alone_is_gone_is_done_again(seeded: Declared, model: str) -> None:
    """A folder without the model in it does not count as the model."""
    first = fitted(model, seed=2)
    Path(first.result().uri, "model.skops").unlink()

    second = fitted(model, seed=2)

    assert (first.name, second.name) == ("Completed", "Completed")
    assert Path(second.result().uri, "model.skops").exists()


@pytest.mark.parametrize("share", [0.0, 0.5], ids=["empty", "half"])
def test_a_half_written_record_is_no_record(seeded: Declared, model: str, share: float) -> None:
    """A machine that lost its power while a result was written costs one step, not the run."""
    seed = 10 + int(share * 10)
    first = fitted(model, seed)
    kept_as: Any = first.data
    record = Path(kept_as.metadata.storage_key)
    content = record.read_bytes()
    record.write_bytes(content[: int(len(content) * share)])

    second, third = fitted(model, seed), fitted(model, seed)

    assert (first.name, second.name, third.name) == ("Completed", "Completed", "Cached")
    assert second.result() == first.result()


def test_other_code_in_the_models_folder_makes_every_step_anew(
    seeded: Declared, model: str
) -> None:
    """An edited trainer is another trainer, whatever the commit says."""
    before = (fitted(model, seed=3).name, fitted(model, seed=3).name)
    with (seeded.folder / "trainer.py").open("a", encoding="utf-8") as trainer:
        trainer.write("\nEDITED = True\n")

    after = (fitted(model, seed=3).name, fitted(model, seed=3).name)

    assert (before, after) == (("Completed", "Cached"), ("Completed", "Cached"))


def test_another_suite_inspects_the_batch_anew(seeded: Declared, model: str) -> None:
    """The contract is part of what an inspection is made of."""
    before = (inspected(model).name, inspected(model).name)
    suite = seeded.folder / "expectations" / "rides.json"
    suite.write_text(suite.read_text().replace('"max_value": 5', '"max_value": 6'))

    after = (inspected(model).name, inspected(model).name)

    assert (before, after) == (("Completed", "Cached"), ("Completed", "Cached"))


def crown(model: str, version: int) -> None:
    """Record a promotion, a day after the other."""
    made = candidate(version).model_copy(update={"model": model})
    Ledger().append(
        Entry(
            kind=Kind.PROMOTION,
            model=model,
            as_of=WHEN - timedelta(days=10 - version),
            subject=f"{model}-{version}",
            payload={
                "candidate": made.model_dump(mode="json"),
                "bento": bento(version).model_dump(mode="json"),
            },
        )
    )


def predict(model: str, version: int) -> None:
    """Leave the record of predictions, a day after the other."""
    predictions = Predictions(
        uri="",
        version=0,
        window=MONTHS[-1],
        rows=1,
        model=model,
        model_version=version,
        digest=f"of-{version}",
    )
    scored = Scored(as_of=WHEN - timedelta(days=10 - version), predictions=predictions)
    place = uri(model, "scored", MONTHS[-1], f"of-{version}.json")
    put_bytes(place, scored.model_dump_json().encode())
