"""What CI reads: the exit code of ``prefect deployment run --watch``, as ``docs/ci.md`` states."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from infra.settings import PROJECT
from tasks.registry import crown, find_version
from tests.support.flow_runs import (
    command,
    ended,
    killed,
    over,
    runs_of,
    started,
    steps,
    watched,
    watching,
    when,
)
from tests.support.small_model import Declared, delivery, unfit_delivery
from tests.support.stack import eventually
from tests.support.standing import champions, closed, made

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MODEL = "exits"
WHEN = closed("2024-03")


@pytest.fixture(scope="module")
def trained_from(declared: Declared) -> str:
    """The model with three months in; its trainer waits while a file is there."""
    from tests.support.deliveries import ingested

    file = declared.folder / "model.yaml"
    waits = f"  parameters:\n    wait_while: {declared.folder / 'gate'}\n"
    file.write_text(file.read_text().replace("  parameters:\n", waits))
    with declared.entered():
        for month in ("2024-01", "2024-02", "2024-03"):
            ingested(month, model=declared.name)
    return declared.name


@pytest.fixture
def training(trained_from: str) -> dict[str, str]:
    """The parameters of one training, the same each time."""
    return {"cause": "person", "as_of": WHEN.isoformat()}


@pytest.fixture
def gate(declared: Declared) -> Iterator[Path]:
    """The file for which the trainer waits."""
    gate = declared.folder / "gate"
    gate.touch()
    yield gate
    gate.unlink(missing_ok=True)
    Path(f"{gate}.reached").unlink(missing_ok=True)


def reached(gate: Path, model: str) -> UUID:
    """Id of the training that waits at the gate."""
    eventually(Path(f"{gate}.reached").exists, within_s=120)
    return runs_of("train", model)[-1].id


@contextmanager
def otherwise(declared: Declared, words: str, others: str) -> Iterator[None]:
    """The declaration says something else for a while."""
    file = declared.folder / "model.yaml"
    before = file.read_text(encoding="utf-8")
    assert words in before
    file.write_text(before.replace(words, others), encoding="utf-8")
    yield
    file.write_text(before, encoding="utf-8")


def last_state(flow: str, model: str) -> tuple[str, str]:
    """Name and message of how the newest run of a flow ended."""
    state = over(runs_of(flow, model)[-1].id).state
    assert state is not None
    return state.name or "", state.message or ""


def test_a_cancelled_run_exits_with_1(training: dict[str, str], model: str, gate: Path) -> None:
    """Somebody changed their mind while CI was watching."""
    watch = watching("train", model, **training)
    run = reached(gate, model)

    cancelled = command("prefect", "flow-run", "cancel", str(run))
    done = ended(watch)

    assert cancelled.returncode == 0, cancelled.stderr
    assert (done.returncode, over(run).state_name) == (1, "Cancelled")
    assert made(model).versions == ()


def test_a_run_whose_process_dies_exits_with_1_and_can_be_retried(
    training: dict[str, str], model: str, gate: Path
) -> None:
    """Its page says so; retried there, it does no finished step again and makes one of each."""
    watch = watching("train", model, **training)
    run = reached(gate, model)

    assert killed(run) > 0
    done = ended(watch)
    crashed = over(run)
    gate.unlink()
    retried = command("prefect", "flow-run", "retry", str(run))
    again = over(when(run, lambda found: found.run_count > 1).id)
    over(started("promote", model).id)

    assert (done.returncode, crashed.state_name) == (1, "Crashed")
    assert "SIGKILL" in str(crashed.state)
    assert "Start it again; finished steps are not repeated." in str(crashed.state)
    assert retried.returncode == 0, retried.stderr
    assert again.state_name == "Promoted"
    assert (steps(run)["build_features"], steps(run)["split_by_time"]) == ("Cached", "Cached")
    assert (made(model).versions, made(model).bentos) == ((1,), 1)


def test_a_training_exits_with_0_whatever_the_gates_say(
    training: dict[str, str], declared: Declared, model: str
) -> None:
    """Asked, promoted and refused are the system at work; the state's name tells them apart.

    It is one candidate each time: what was made of it is found again.
    """
    ends = [judged(model, training)]
    with otherwise(declared, "- drift", "- person"):
        ends.append(judged(model, training))
    candidate, bento = find_version.fn(model, 1)
    crown.fn(candidate, bento, WHEN - timedelta(days=1), "It was there before.", "ann", "")
    ends.append(judged(model, training))

    assert ends == [(0, "Promoted"), (0, "Asked"), (0, "Refused")]
    assert champions(model) == (1, 1, 1)
    assert made(model).versions == (1,)


def judged(model: str, training: dict[str, str]) -> tuple[int, str]:
    """Exit code and outcome of a training that CI watched."""
    return watched("train", model, **training).returncode, last_state("train", model)[0]


def test_a_run_that_takes_longer_than_ci_waits_exits_with_1(trained_from: str, model: str) -> None:
    """CI gives up; the run does not: it ends as it would have."""
    closing = closed("2024-03").isoformat()

    done = watched("ingest", model, "--watch-timeout", "1", window="2024-03", as_of=closing)
    run = runs_of("ingest", model)[-1]

    assert done.returncode == 1
    assert over(run.id).state_name == "Accepted"


def test_a_wrong_declaration_exits_with_1_and_its_sentence(
    trained_from: str, declared: Declared, model: str
) -> None:
    """A typo that came after the deployment stops the run at once, and is named."""
    with otherwise(declared, "evaluation:", "evaluations:"):
        done = watched("ingest", model, window="2024-03", as_of=closed("2024-03").isoformat())

    name, message = last_state("ingest", model)
    assert (done.returncode, name) == (1, "Failed")
    assert "ConfigError" in message
    assert "evaluations" in message


def test_a_held_batch_exits_with_0(trained_from: str, model: str, tmp_path: Path) -> None:
    """Somebody will decide; CI has nothing to repair."""
    late = delivery(tmp_path, "2024-04", shift=50)

    done = watched(
        "ingest",
        model,
        window="2024-04",
        as_of=closed("2024-04").isoformat(),
        files={"rides": late},
    )

    assert (done.returncode, last_state("ingest", model)[0]) == (0, "Held")


def test_a_rejected_batch_exits_with_1_and_its_sentence(
    trained_from: str, model: str, tmp_path: Path
) -> None:
    """The run's page says what is wrong with the data; CI's log names the state and the page."""
    broken = unfit_delivery(tmp_path, "2024-04")

    done = watched(
        "ingest",
        model,
        window="2024-04",
        as_of=closed("2024-04").isoformat(),
        files={"rides": broken},
    )

    name, message = last_state("ingest", model)
    assert (done.returncode, name) == (1, "Failed")
    assert "DataError" in message
    assert f"The batch 2024-04 of {model} was rejected." in message
    assert "finished in state 'Failed'" in done.stdout
    assert str(runs_of("ingest", model)[-1].id) in done.stdout


def test_the_page_for_ci_states_these_codes() -> None:
    """Each row of the table that is tested here stands in ``docs/ci.md``."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (PROJECT / "docs" / "ci.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and line.count("|") == 4
    ]
    codes = {state: code for _, state, code in rows}

    for state in ("Promoted", "Asked", "Refused", "Held"):
        assert codes[f"Completed, named `{state}`"] == "0"
    for state in ("Failed, with its `DataError`", "Failed, with its `ConfigError`", "Cancelled"):
        assert codes[state] == "1"
    assert (codes["Failed or Crashed"], codes["as it was"]) == ("1", "1")
