"""The command line: what it costs to ask, and how it fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments import cli
from infra.errors import ConfigError, DataError, ResourceError
from infra.settings import PROJECT

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


def test_a_misspelt_command_names_the_nearest() -> None:
    """A typo is a usage error, exit code 2."""
    done = CliRunner().invoke(cli.build(), ["dwon"])

    assert done.exit_code == 2
    assert "down" in done.output


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
    from tests.support.stack import surroundings

    file = tmp_path / "file"
    file.write_text("")
    with surroundings({"PERENNIAL_HOME": str(file / "home")}):
        done = CliRunner().invoke(cli.build(), ["doctor", "--json"])

    checks = {check["name"]: check for check in json.loads(done.output)["checks"]}
    assert done.exit_code == 1
    assert checks["home"]["verdict"] == "fail"
    assert "PERENNIAL_HOME" in checks["home"]["hint"]


def _fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def build() -> object:
        def run() -> None:
            raise error

        return run

    monkeypatch.setattr(cli, "build", build)
