"""The command line: what it costs to ask, and how it fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments import cli
from infra.addresses import addresses, keep_ports
from infra.errors import ConfigError, DataError, ResourceError
from infra.places import make_places
from infra.settings import PROJECT
from tests.support.stack import surroundings

_HEAVY = ("prefect", "pandas", "mlflow", "psycopg2", "pydantic")


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_the_line_in_the_overview_is_the_commands_own(name: str, home: Path) -> None:
    """The overview is written down so that it needs no import; it must not drift."""
    command = cli.load(name)

    line = (command.help or "").partition("\n")[0]

    assert cli.COMMANDS[name][1] == line


def test_help_imports_nothing_heavy() -> None:
    """`perennial --help` comes at once: no library of the stack is imported for it."""
    code = (
        "import sys, json\n"
        "from deployments import cli\n"
        "from typer.testing import CliRunner\n"
        "done = CliRunner().invoke(cli.build(), ['--help'])\n"
        "assert 'doctor' in done.output, done.output\n"
        f"print(json.dumps([name for name in {_HEAVY!r} if name in sys.modules]))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT
    )

    assert json.loads(done.stdout) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dwon"], ("No such command 'dwon'", "Did you mean 'down'?", "`perennial --help`")),
        (["new"], ("Missing argument", "`perennial new --help`")),
        (["rollback", "flights"], ("Missing option '--reason'", "`perennial rollback --help`")),
        (["up", "--ownr", "1"], ("No such option: --ownr", "`perennial up --help`")),
        (["logs", "-n", "0"], ("'--lines'", "`perennial logs --help`")),
        (["down", "now"], ("unexpected extra argument", "`perennial down --help`")),
        (["verify", "continuous", "a@3"], ("not about one version", "verify continuous a`")),
        (["verify", "nothing", "a"], ("'nothing' is not", "`perennial verify --help`")),
        (["logs", "nope"], ("no server 'nope'", "Take one of postgres")),
        (["status", "../../etc"], ("'../../etc' cannot name a model", "A name is a small letter")),
        (["status", "flihgts"], ("no model 'flihgts'", "Did you mean flights?")),
        (["status", "[/red]\x1b"], ("cannot name a model", "A name is a small letter")),
    ],
    ids=" ".join,
)
def test_a_command_that_is_called_wrongly_fails_as_everything_fails(
    arguments: list[str], words: tuple[str, ...], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, one hint, exit code 2: no box of the library's, and nothing that is hidden."""
    code, said = _typed(arguments, capsys)

    assert code == 2
    assert len(said.strip().splitlines()) == 2
    assert "owner" not in said
    for word in words:
        assert word in said


@pytest.mark.parametrize("arguments", [["new", "--json"], ["logs", "nope", "--json"]], ids=" ".join)
def test_who_asks_for_json_gets_errors_as_json(
    arguments: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, so that stdout holds facts of the documented form or nothing."""
    code, said = _typed(arguments, capsys)

    assert code == 2
    assert json.loads(said).keys() == {"error", "message", "hint"}


def test_a_home_that_cannot_be_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file stands where a folder should: one sentence, one hint, exit code 2."""
    (tmp_path / "a-file").touch()
    with surroundings({"PERENNIAL_HOME": str(tmp_path / "a-file" / "home")}):
        code, said = _typed(["up"], capsys)

    assert code == 2
    assert "a-file cannot be written" in said
    assert "PERENNIAL_HOME" in said


def test_without_a_command_the_help_is_shown(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asking what there is is no mistake."""
    code, said = _typed([], capsys)

    assert (code, said) == (0, "")


def test_ctrl_c_ends_with_a_word_and_the_code_of_shells(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """130, and no traceback, wherever it comes."""
    _fail_with(KeyboardInterrupt(), monkeypatch)

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_a_reader_that_goes_away_ends_the_command_in_silence(home: Path) -> None:
    """`perennial logs | head -1` shows one line and no complaint."""
    _log(home, "a line of some length\n" * 100_000)

    pipe = f"{sys.executable} -m deployments.cli logs worker -n 90000 | head -1"
    done = subprocess.run(
        ["/bin/sh", "-c", pipe],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
        env={**os.environ, "PERENNIAL_HOME": str(home)},
    )

    assert (done.stdout, done.stderr) == ("a line of some length\n", "")


def test_a_terminal_without_the_letters_shows_others(home: Path) -> None:
    """A locale that is not UTF-8 costs letters, not the command."""
    _log(home, "gr\u00fc\u00dfe \u2192 \u03c8\n")

    done = _alone(home, "logs", "worker", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="latin-1")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"gr\xfc\xdfe ? ?\n"


def test_a_narrow_terminal_without_colours_loses_nothing(home: Path) -> None:
    """What does not fit beside each other stands below each other, addresses in one piece."""
    with surroundings({"PERENNIAL_HOME": str(home)}):
        make_places()
        keep_ports()
        address = addresses().prefect_ui

    done = _alone(home, "status", COLUMNS="30", NO_COLOR="1")

    lines = done.stdout.decode().splitlines()
    assert "server   prefect" in lines
    assert f"address  {address}" in lines
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("The file is wrong."), 2),
        (DataError("The batch is empty."), 1),
        (ResourceError("The disk is full.", hint="Free some."), 1),
        (FileNotFoundError(2, "No such file or directory", "/nowhere"), 2),
        (ZeroDivisionError("division by zero"), 1),
    ],
)
def test_an_error_is_one_sentence_and_one_hint(
    error: Exception,
    code: int,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Never a traceback first; the exit code tells what a person has to change from the rest."""
    monkeypatch.delenv("PERENNIAL_DEBUG", raising=False)
    _fail_with(error, monkeypatch)

    with pytest.raises(SystemExit) as ended:
        cli.main()

    shown = capsys.readouterr().err
    assert ended.value.code == code
    assert len(shown.strip().splitlines()) == 2
    assert "Traceback" not in shown


def test_debug_shows_the_traceback(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``PERENNIAL_DEBUG=1`` is for whoever mends the code."""
    monkeypatch.setenv("PERENNIAL_DEBUG", "1")
    _fail_with(DataError("The batch is empty."), monkeypatch)

    with pytest.raises(DataError, match="The batch is empty"):
        cli.main()


def test_status_of_a_home_that_was_never_started_is_stopped(home: Path) -> None:
    """Asking is no error."""
    done = CliRunner().invoke(cli.build(), ["status", "--json"])

    servers = json.loads(done.output)["servers"]
    assert done.exit_code == 0
    assert {server["state"] for server in servers} == {"stopped"}


def test_down_where_nothing_runs_is_no_error(home: Path) -> None:
    """`down` may be called as often as one likes."""
    done = CliRunner().invoke(cli.build(), ["down", "--json"])

    assert done.exit_code == 0
    assert json.loads(done.output) == {"ended": 0}


def test_the_doctor_fails_where_the_home_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exit code is for scripts, its hint for people."""
    file = tmp_path / "file"
    file.write_text("")
    with surroundings({"PERENNIAL_HOME": str(file / "home")}):
        done = CliRunner().invoke(cli.build(), ["doctor", "--json"])

    checks = {check["name"]: check for check in json.loads(done.output)["checks"]}
    assert done.exit_code == 1
    assert checks["home"]["verdict"] == "fail"
    assert "PERENNIAL_HOME" in checks["home"]["hint"]


def _typed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """How the command ended, and what it said on stderr."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["perennial", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return ended.value.code, capsys.readouterr().err


def _alone(home: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[bytes]":
    """What the command printed in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "deployments.cli", *arguments],
        capture_output=True,
        check=False,
        cwd=PROJECT,
        env={**os.environ, "PERENNIAL_HOME": str(home), **variables},
    )


def _log(home: Path, text: str) -> None:
    (home / "logs").mkdir(parents=True)
    (home / "logs" / "worker.log").write_text(text, encoding="utf-8")


def _fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def build() -> object:
        def run(**_given: object) -> None:
            raise error

        return run

    monkeypatch.setattr(cli, "build", build)
