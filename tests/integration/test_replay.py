"""A year once more under several policies: by the steps that the flows call, and nothing real."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner, Result

from deployments.cli import build
from deployments.replay.page import table
from deployments.replay.playing import windows_of
from deployments.replay.policies import rules_of
from deployments.replay.results import Course, Replay
from deployments.shadow.feed import read_feed
from infra.settings import PROJECT, settings
from tasks.governance.policy_spec import PersistSpec, PolicySpec
from tasks.spec import load_spec
from tests.support.small_model import DRIFTED, MONTHS, write_model
from tests.support.stack import surroundings

MODEL = "rides"
AFTER = "2024-04"
"""The first month that version 1 predicts; it saw one month of the new world only as a holdout."""

STRICT = "policy: {most: ask}\nmonitoring: {psi: 0.1}\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home and a folder of models with one model, and the file of a policy beside them."""
    root = tmp_path_factory.mktemp("replay")
    write_model(root / "models", MODEL)
    (root / "strict.yaml").write_text(STRICT, encoding="utf-8")
    variables = {
        "PERENNIAL_HOME": str(root / "home"),
        "PERENNIAL_MODELS": str(root / "models"),
        "OMP_NUM_THREADS": "1",
    }
    with surroundings(variables):
        yield root


def _asked(*arguments: str) -> Result:
    return CliRunner().invoke(build(), ["replay", MODEL, *arguments])


@pytest.fixture(scope="module")
def replayed(place: Path) -> Replay:
    """Six months under four policies."""
    policies = ("never", "declared", "monthly", f"strict={place / 'strict.yaml'}")
    options = [text for each in policies for text in ("--policy", each)]
    done = _asked(*options, "--json")
    assert done.exit_code == 0, done.output
    return Replay.model_validate_json(done.stdout)


def _course(replayed: Replay, policy: str) -> Course:
    return next(each for each in replayed.courses if each.policy == policy)


def test_every_policy_begins_with_the_same_training(replayed: Replay) -> None:
    """It is done once, as of the first month at which there is enough to learn from."""
    first = [
        next(each.training for each in course.windows if each.training)
        for course in replayed.courses
    ]

    assert all(each == first[0] for each in first)
    assert first[0] is not None
    assert first[0].promoted
    wanted = {
        each.training.as_of
        for course in replayed.courses
        for each in course.windows
        if each.training
    }
    assert replayed.trainings == len(wanted)
    assert replayed.trainings < sum(course.trainings for course in replayed.courses)


def test_what_retrains_gains_where_the_world_moved(replayed: Replay) -> None:
    """`never` keeps a version that knows nothing of the new world; the others replace it."""
    declared, never = _course(replayed, "declared"), _course(replayed, "never")

    assert (never.trainings, never.promotions) == (1, 1)
    assert declared.promotions > 1
    assert declared.gain is not None
    assert declared.gain.against == "never"
    assert declared.gain.lower > 0
    assert declared.cpu_s > never.cpu_s
    assert {each.version for each in never.windows if each.version} == {3}


def test_a_file_changes_what_it_names_and_nothing_else(replayed: Replay) -> None:
    """Its policy asks a person at most; the reviewer of this replay lets the gates decide."""
    strict = _course(replayed, "strict")

    assert {each.action.value for each in strict.windows} <= {"rest", "alert", "ask"}
    assert strict.questions > 0


def test_gpus_have_a_column_where_one_was_used(replayed: Replay) -> None:
    """Hours of a whole GPU beside the seconds of the processors; no column of nothing elsewhere."""
    on_gpu = [each.model_copy(update={"gpu_hours": 1.5}) for each in replayed.courses]

    headers, rows = table(replayed.model_copy(update={"courses": tuple(on_gpu)}))

    assert [row[headers.index("GPU h")] for row in rows] == ["1.50"] * len(rows)
    assert "GPU h" not in table(replayed)[0]


def test_the_page_is_whole_and_escapes_what_it_shows(replayed: Replay) -> None:
    """It needs no other file, and has a row for every window of every policy."""
    page = Path(replayed.picture).read_text(encoding="utf-8")

    assert 'src="data:image/png;base64,' in page
    assert all(page.count(f"<td>{month}</td>") >= len(replayed.courses) for month in MONTHS)
    assert "<script" not in page


def test_nothing_of_the_model_is_touched(replayed: Replay) -> None:
    """No table, no version, no ledger: a home with the replay's own folder and its report."""
    assert replayed.model == MODEL
    assert {each.name for each in settings().home.iterdir()} == {"replay", "reports"}


def test_a_replay_that_is_asked_again_trains_nothing(replayed: Replay, place: Path) -> None:
    """What is done is kept; the same question has the same answer, and what it once took."""
    kept = sorted((settings().home / "replay" / MODEL).rglob("fitted.json"))
    times = [each.stat().st_mtime_ns for each in kept]

    again = Replay.model_validate_json(_asked("--policy", "declared", "--json").stdout)

    assert [each.stat().st_mtime_ns for each in kept] == times
    assert again.courses[0].windows == _course(replayed, "declared").windows


@pytest.mark.usefixtures("replayed")
def test_a_part_of_history_is_a_replay_too(place: Path) -> None:
    """Its picture is a file where it is wished; the table says who was asked."""
    out = place / "part.png"

    done = _asked("--from", DRIFTED, "--policy", "never", "--reviewer", "refuse", "--out", str(out))

    assert done.exit_code == 0, done.output
    assert "a person is answered by refuse" in done.stdout
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--policy", "sometimes"), "There is no policy 'sometimes'"),
        (("--policy", "never", "--policy", "never"), "named twice"),
        (("--policy", "mine=gone.yaml"), "cannot be read"),
        (("--reviewer", "nobody"), "There is no reviewer 'nobody'"),
        (("--from", "2024-05", "--until", "2024-02"), "comes after"),
        (("--from", "2030-01"), "0 windows"),
        (("--from", "spring"), "spring"),
        (("--out", "page.pdf"), "is not a page or a picture"),
        (("--out", "nowhere/page.png"), "may write"),
    ],
)
def test_what_cannot_be_replayed_is_a_sentence(
    place: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Before anything is read or trained."""
    done = _asked(*arguments)

    assert done.exit_code != 0
    assert said in str(done.exception)


def test_history_that_is_too_short_for_a_champion_says_so(place: Path) -> None:
    """A table of nothing would be no comparison; what was missing is told instead."""
    done = _asked("--from", MONTHS[-2], "--policy", "never", "--policy", "monthly")

    assert done.exit_code != 0
    assert f"No window of {MODEL} was predicted under any policy. {MONTHS[-1]}:" in str(
        done.exception
    )


def test_a_window_whose_labels_are_not_due_is_left_out(place: Path) -> None:
    """History ends today: a month that a feed has begun is no month yet."""
    feed = read_feed(load_spec(MODEL))
    begun = replace(feed, windows=(*feed.windows, "2999-01"))

    assert windows_of(begun, None, None) == MONTHS


def test_a_policy_of_a_file_keeps_what_it_leaves_out_at_every_depth(place: Path) -> None:
    """A field within a field of a section changes alone."""
    spec = load_spec(MODEL)
    lasting = PolicySpec(persist=PersistSpec(least=2, of=3))
    file = place / "longer.yaml"
    file.write_text("policy: {persist: {of: 4}}\n", encoding="utf-8")

    (found,) = rules_of(spec.model_copy(update={"policy": lasting}), [f"longer={file}"])

    assert found.policy == PolicySpec(persist=PersistSpec(least=2, of=4))
    assert found.monitoring == spec.monitoring


def test_a_file_that_is_no_policy_is_named(place: Path) -> None:
    """A field that is not known, a value that cannot be, a section that has no place here."""
    wrong = place / "wrong.yaml"
    for text, said in (
        ("policy: {most: perhaps}\n", "most"),
        ("policy: {mst: ask}\n", "mst"),
        ("gates: {rounds: 100}\n", "policy, monitoring"),
        ("[1, 2]\n", "policy, monitoring"),
        ("policy: [1]\n", "mapping"),
        ("policy: {\n", "no YAML"),
    ):
        wrong.write_text(text, encoding="utf-8")

        done = _asked("--policy", f"mine={wrong}")

        assert said in str(done.exception), text


def test_a_policy_that_contradicts_itself_is_told_in_its_own_words(place: Path) -> None:
    """Nothing of the library that found it stands before the sentence."""
    file = place / "never.yaml"
    file.write_text("policy: {most: ask, every: P7D}\n", encoding="utf-8")

    done = _asked("--policy", f"mine={file}")

    said = f"The policy mine of {file} is wrong: every asks for trainings, but most is ask."
    assert str(done.exception).startswith(said)


@pytest.mark.usefixtures("replayed")
def test_two_replays_of_a_model_do_not_meet(place: Path) -> None:
    """The second one says where the first one is."""
    with FileLock(settings().home / "replay" / MODEL / "lock"):
        done = _asked("--policy", "never")

    assert "Another replay of rides runs" in str(done.exception)


def test_the_schema_of_the_result_is_documented() -> None:
    """`--json` prints what the documentation says."""
    page = (PROJECT / "docs" / "replay.md").read_text(encoding="utf-8")
    block = re.search(r"```json\n(.*?)```", page, re.DOTALL)

    assert block is not None
    assert json.loads(block[1]) == Replay.model_json_schema(mode="serialization")
