"""The proof on a small model: real contract, trainer, monitor, policy and gates, in a shadow."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.cli.verify import FAILED_PROOF, Statement, verify
from deployments.proof.faults import Faults
from deployments.proof.ground import Ground
from deployments.proof.through import followed
from deployments.proof.trying import Tried, prepared, tried
from deployments.shadow.feed import read_feed
from deployments.shadow.home import shadow_home
from infra.errors import DataError
from infra.ledger import Kind, Ledger
from tasks.references import Action, Ending
from tasks.spec import load_spec
from tasks.verification.spec import ShiftKind
from tests.support.homes import environment, home_on
from tests.support.postgres import postgres_server
from tests.support.small_model import write_model

SECTION = {
    "repetitions": 1,
    "windows": 2,
    "without": ["swap"],  # its one category means nothing: exchanged it is the same world
    "sizes": {
        "mean": [3.0],
        "variance": [5.0],
        "segment": [0.5],
        "flip": [0.02, 0.4],
        "unit": [1.0],
        "missing": [1.0],
        "silence": [0.5, 1.0],
    },
}

KINDS = set(ShiftKind) - {ShiftKind.SWAP}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model whose proof is quick."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder, "rides", verify={"continuous": SECTION})
    return folder


@pytest.fixture(scope="module")
def faults(models: Path) -> Iterator[Faults]:
    """The model's rows, in a shadow's home."""
    with environment({"PERENNIAL_MODELS": str(models)}), shadow_home():
        feed = read_feed(load_spec("rides"))
        raw = {window: feed.raw(window) for window in feed.windows}
        windows = {window: feed.features(window, raw) for window in feed.windows}
        yield Faults(Ground(feed, raw, windows))


@pytest.fixture(scope="module")
def shown(faults: Faults) -> Tried:
    """What one shadow showed."""
    return tried(faults, 1)


def test_windows_that_were_dealt_anew_do_not_alarm(shown: Tried) -> None:
    """In the middle of the year the world of this model turns: shuffled, no window knows of it."""
    assert shown.calm == 3
    assert shown.alarms == ()


def test_every_gross_shift_is_seen_in_the_first_window(shown: Tried) -> None:
    """Whoever sees it: the contract, the builder or the monitor."""
    late = [each for each in shown.injections if each.gross and each.delay != 1]

    assert late == []
    assert {each.kind for each in shown.injections} == KINDS


def test_a_shift_of_the_world_passes_no_contract_and_may_be_trained_on(shown: Tried) -> None:
    """The monitor sees labels that turned, and the policy starts a training."""
    [small, gross] = [each for each in shown.injections if each.kind is ShiftKind.FLIP]

    assert (gross.contract, gross.by, gross.followed) == (None, "monitor", "retrain")
    assert gross.trained
    assert gross.causes[0] == "performance"
    assert small.size == 0.02


def test_a_unit_that_no_contract_looks_at_is_found_to_be_trained_on(shown: Tried) -> None:
    """The rows look like a world that moved: only a contract can tell, and this one does not."""
    learned = [each for each in shown.injections if each.kind.of_feed and each.trained]

    assert {each.kind for each in learned} == {ShiftKind.UNIT}


def test_silence_is_refused_by_the_contract_and_would_alert_behind_it(shown: Tried) -> None:
    """Two lines of defence: what the second would say is known even where the first stands."""
    whole = next(each for each in shown.injections if each.kind is ShiftKind.SILENCE and each.gross)

    assert (whole.contract, whole.by) == (Ending.REJECT, "contract")
    assert whole.monitor == 1
    assert whole.actions[0] is Action.ALERT
    assert whole.causes == ("volume",)


def test_the_same_seed_shows_the_same(faults: Faults, shown: Tried) -> None:
    """Deal, training, draws and verdicts follow from the declaration and the data."""
    assert tried(faults, 1) == shown


def test_a_verdict_reaches_a_receiver_and_a_training_reaches_the_gates(faults: Faults) -> None:
    """The notice goes out through Apprise; the challenger is trained, judged and not registered."""
    found = followed(prepared(faults, 1), ShiftKind.FLIP)

    assert found is not None
    assert found.conclusion is Action.RETRAIN
    assert found.delivered
    assert found.message.startswith("rides 2024-0")
    assert found.trained_rows > 0
    assert found.gates.split(":")[0] in {"promote", "ask", "refuse"}


def test_a_proof_leaves_its_report_and_one_record_and_nothing_else(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The home holds the report and the ledger its outcome; no table, model or champion."""
    declared = environment({"PERENNIAL_MODELS": str(models)})
    with postgres_server() as url, home_on(url, tmp_path), declared:
        code = verify(Statement.CONTINUOUS, "rides", None, as_json=True)
        records = Ledger().entries()

    said = json.loads(capsys.readouterr().out)
    left = sorted(path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.*"))
    assert code == FAILED_PROOF
    assert "faults of the feed led to a training; first unit" in said["failures"][0]
    assert {each["kind"] for each in said["shifts"]} == KINDS
    assert set(left) == {"reports"}
    assert [each.kind for each in records] == [Kind.PROOF]
    assert records[0].payload["passed"] is said["passed"] is False


def test_a_source_with_too_few_windows_cannot_be_proved(models: Path, tmp_path: Path) -> None:
    """The command says what is missing, and that is no failed proof."""
    write_model(tmp_path, "rides", training={"min_windows": 6})

    with (
        environment({"PERENNIAL_MODELS": str(tmp_path)}),
        pytest.raises(DataError, match="6 windows, and a champion takes 7"),
    ):
        verify(Statement.CONTINUOUS, "rides", None, as_json=True)
