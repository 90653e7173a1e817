"""The proof on a small model: real contract, trainer, monitor, policy and gates, in a shadow."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.cli.verify import FAILED_PROOF, Statement, verify
from deployments.proof import through
from deployments.proof.contracted import contracted
from deployments.proof.faults import Faults, Target
from deployments.proof.ground import deal, stand_on
from deployments.proof.result import Continuous, Injection
from deployments.proof.subject import subject_of
from deployments.proof.through import followed
from deployments.proof.trying import Trial, Tried, prepared, tried
from deployments.shadow.feed import read_feed
from deployments.shadow.home import shadow_home
from infra.errors import DataError
from infra.ledger import Kind, Ledger
from tasks.references import Action, Cause, Ending
from tasks.spec import load_spec
from tasks.verification.spec import ShiftKind, VerifySpec
from tests.support.homes import environment, home_on
from tests.support.postgres import postgres_server
from tests.support.small_model import write_model

SECTION = {
    "repetitions": 1,
    "windows": 2,
    "without": ["swap"],  # its categories mean nothing: exchanged it is the same world
    "sizes": {
        "mean": [3.0],
        "variance": [5.0],
        "segment": [0.5],
        "flip": [0.02, 0.4],
        "unit": [1.0],
        "missing": [1.0],
        "silence": [0.5, 1.0],
        "unscored": [1.0],
        "late": [0.5],
        "outage": [0.5],
    },
}

KINDS = set(ShiftKind) - {ShiftKind.SWAP}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model whose proof is quick."""
    folder = tmp_path_factory.mktemp("models")
    write_model(
        folder,
        "rides",
        verify={"continuous": SECTION},
        monitoring={"objective": {"within": "PT1H", "gap": "P8D"}},
        alerts=[{"on": ["retrain"], "to": ["team", "pager"]}],
    )
    return folder


@pytest.fixture(scope="module")
def faults(models: Path) -> Iterator[Faults]:
    """The model's rows, in a shadow's home."""
    with environment({"PERENNIAL_MODELS": str(models)}), shadow_home():
        feed = read_feed(load_spec("rides"))
        yield Faults(stand_on(feed, feed.known_at(feed.windows[-1]), lambda *_: None))


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
    learned = [each for each in shown.injections if not each.kind.of_world and each.trained]

    assert {each.kind for each in learned} == {ShiftKind.UNIT}


def test_silence_is_refused_by_the_contract_and_would_alert_behind_it(shown: Tried) -> None:
    """Two lines of defence: what the second would say is known even where the first stands."""
    whole = next(each for each in shown.injections if each.kind is ShiftKind.SILENCE and each.gross)

    assert (whole.contract, whole.by) == (Ending.REJECT, "contract")
    assert whole.monitor == 1
    assert whole.actions[0] is Action.ALERT
    assert whole.causes == ("volume", "late"), "its objective says that so long a gap is an outage"


def test_the_same_seed_shows_the_same(faults: Faults, shown: Tried) -> None:
    """Deal, training, draws and verdicts follow from the declaration and the data."""
    assert tried(faults, 1) == shown


@pytest.fixture(scope="module")
def trial(faults: Faults) -> Trial:
    """The first shadow."""
    return prepared(faults, 1)


def test_a_verdict_reaches_the_declared_channels_and_a_training_the_gates(trial: Trial) -> None:
    """Policy, alert and start are those of `monitor`; what is trained is registered nowhere."""
    found = followed(trial, ShiftKind.FLIP)

    assert found is not None
    assert found.conclusion is Action.RETRAIN
    assert found.declared
    assert set(found.told) == set(found.wanted) == {"team", "pager"}
    assert found.message.startswith("rides 2024-0")
    assert found.started is not None
    assert (found.started.deployment, found.started.cause) == ("train/rides", Cause.DRIFT)
    assert found.started.as_of == found.as_of
    assert found.started.key.startswith("train-rides-")
    assert found.trained_rows > 0
    assert found.gates.split(":")[0] in {"promote", "ask", "refuse"}


@pytest.mark.parametrize(
    ("name", "told", "started"), [("request_training", True, False), ("alert", False, True)]
)
def test_what_breaks_of_what_follows_is_found(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, name: str, told: bool, started: bool
) -> None:
    """An alert that tells nobody, or a request that starts nothing, leaves nothing to count."""
    monkeypatch.setattr(through, name, lambda *_: None)

    found = followed(trial, ShiftKind.FLIP)

    assert found is not None
    assert (bool(found.told), found.started is not None) == (told, started)


def test_a_contract_that_holds_the_clean_window_too_has_seen_no_fault(trial: Trial) -> None:
    """What it does of a fault counts beyond what it does of the same window without it."""
    faults, [unit, silence] = trial.faults, [ShiftKind.UNIT, ShiftKind.SILENCE]
    clean = faults.examined(faults.ground.feed.windows[-1], "rides")
    hold = replace(clean, ending=Ending.HOLD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Faults, "examined", lambda *_: hold)
        seen = contracted(_draft(unit), faults, faults.targets(unit, {})[0])

    assert (seen.contract, seen.by) == (Ending.HOLD, "")
    assert contracted(_draft(silence), faults, Target("rides")).by == "contract"


def _draft(kind: ShiftKind) -> Injection:
    return Injection(kind=kind, size=1.0, gross=True, repetition=1, where="", window="2024-04")


def test_windows_whose_labels_are_not_due_are_left_out_and_rows_without_one(
    models: Path,
) -> None:
    """A model that is in use has both; where they were dealt they would be gaps of any window."""
    with environment({"PERENNIAL_MODELS": str(models)}):
        feed = read_feed(load_spec("rides"))
        ground = stand_on(feed, feed.known_at(feed.windows[3]), lambda *_: None)
    rows = {name: each.copy() for name, each in ground.windows.items()}
    rows["2024-02"].loc[rows["2024-02"].index[:50], "won"] = None
    gappy = replace(ground, windows=rows)

    dealt = deal(gappy, seed=1)

    assert (tuple(ground.windows), ground.left_out) == (feed.windows[:4], feed.windows[4:])
    assert (ground.contract.windows, gappy.unlabelled) == (4, 50)
    assert [len(dealt.places[name]) for name in ground.windows] == [600, 550, 600, 600]
    assert dealt.rows("2024-01")["won"].notna().all()


def test_columns_that_a_fault_would_not_change_are_no_targets(faults: Faults) -> None:
    """Exchanging the only value of a column is no fault that anybody could see."""
    alike = {
        name: {"rides": frames["rides"].assign(place="hill")}
        for name, frames in faults.ground.raw.items()
    }
    wanted = faults.ground.spec.verify.continuous.model_copy(update={"without": ()})
    spec = faults.ground.spec.model_copy(update={"verify": VerifySpec(continuous=wanted)})
    ground = replace(faults.ground, feed=replace(faults.ground.feed, spec=spec), raw=alike)
    found = Faults(ground)

    assert found.targets(ShiftKind.SWAP, {}) == []
    assert found.unchanged(ShiftKind.SWAP) == [Target("rides", "place")]
    assert Target("rides", "place") in found.targets(ShiftKind.MISSING, {})


def test_a_shift_begins_in_a_window_that_is_calm_without_it(trial: Trial) -> None:
    """What alarms anyhow tells nothing of a shift; nor does it count as what was before it."""
    [first, *others] = trial.calm
    alert = first.conclusion.model_copy(update={"action": Action.RETRAIN})
    late = Trial(trial.faults, trial.number, trial.dealt, trial.shadow)
    late.calm = (replace(first, conclusion=alert), *others)

    flip = next(each for each in late.shifts() if each.kind is ShiftKind.FLIP and each.gross)

    assert trial.span == trial.dealt.watched()[:2]
    assert late.span == trial.dealt.watched()[1:3]
    assert (flip.window, flip.delay) == (late.span[0], 1)
    assert flip.would_train


def test_a_window_that_alarms_without_the_shift_too_is_no_detection(trial: Trial) -> None:
    """What is heard of the calm twin of a window is not put down to the shift."""
    calm = trial.calm[0]
    alert = calm.conclusion.model_copy(update={"action": Action.ALERT})
    loud = replace(calm, conclusion=alert)

    assert not calm.is_loud
    assert loud.says_more_than(calm)
    assert not loud.says_more_than(loud)


@pytest.mark.parametrize("kind", [ShiftKind.UNSCORED, ShiftKind.LATE, ShiftKind.OUTAGE])
def test_predictions_that_do_not_come_are_seen_and_not_trained_on(
    shown: Tried, kind: ShiftKind
) -> None:
    """Rows are there as ever: the monitor says what is missing or late, and nothing is learned."""
    [found] = [each for each in shown.injections if each.kind is kind]

    assert (found.by, found.followed, found.delay) == ("monitor", "alert", 1)
    assert set(found.causes) <= {"missing", "late"}
    assert (found.contract, found.trained) == (None, False)


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
    assert "led to a training; first unit" in said["failures"][0]
    assert Continuous.model_validate(said).followed is not None
    assert "hold" in said["untold"] or "reject" in said["untold"]
    assert {each["kind"] for each in said["shifts"]} == KINDS
    assert set(left) == {"reports"}
    assert [each.kind for each in records] == [Kind.PROOF]
    assert records[0].payload["passed"] is said["passed"] is False
    assert records[0].payload["declared"] == subject_of(load_spec("rides", models))


def test_a_source_with_too_few_windows_cannot_be_proved(models: Path, tmp_path: Path) -> None:
    """The command says what is missing, and that is no failed proof."""
    write_model(tmp_path, "rides", training={"min_windows": 6})

    with (
        environment({"PERENNIAL_MODELS": str(tmp_path)}),
        pytest.raises(DataError, match="6 windows, and a champion takes 7"),
    ):
        verify(Statement.CONTINUOUS, "rides", None, as_json=True)
