"""What CI reads: the exit code of ``prefect deployment run --watch``, as ``docs/ci.md`` states."""

from datetime import timedelta
from pathlib import Path

import pytest

from infra.settings import PROJECT
from tests.support.flow_runs import over, runs_of, started, watched
from tests.support.small_model import Declared, delivery, unfit_delivery
from tests.support.standing import champions, closed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MODEL = "exits"
WHEN = closed("2024-03")


@pytest.fixture(scope="module")
def trained_from(declared: Declared) -> str:
    """The model with three months in."""
    from tests.support.deliveries import ingested

    with declared.entered():
        for month in ("2024-01", "2024-02", "2024-03"):
            ingested(month, model=declared.name)
    return declared.name


def last_state(flow: str, model: str) -> tuple[str, str]:
    """Name and message of how the newest run of a flow ended."""
    state = over(runs_of(flow, model)[-1].id).state
    assert state is not None
    return state.name or "", state.message or ""


def test_a_training_exits_with_0_whatever_the_gates_say(trained_from: str, model: str) -> None:
    """Asked, promoted and refused are the system at work; the state's name tells them apart."""
    ends = []
    for cause, when in (("drift", WHEN), ("person", WHEN), ("person", WHEN + timedelta(hours=1))):
        before = runs_of("promote", model)
        done = watched("train", model, cause=cause, as_of=when.isoformat())
        ends.append((done.returncode, last_state("train", model)[0]))
        if ends[-1][1] == "Promoted":
            over(started("promote", model, after=before).id)

    assert ends == [(0, "Asked"), (0, "Promoted"), (0, "Refused")]
    assert champions(model) == (2, 2, 2)


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
        if line.startswith("| ")
    ]
    codes = {state: code for _, state, code in rows}

    for state in ("Promoted", "Asked", "Refused", "Held"):
        assert codes[f"Completed, named `{state}`"] == "0"
    assert codes["Failed, with its `DataError`"] == "1"
