"""How a run's process is started and followed: real processes, no server."""

import io
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from infra.warm.launching import Launch, launch, run_process
from infra.warm.output import Output

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")

FOLLOWING = """
import anyio, sys
from infra.warm.launching import Launch, launch, run_process

launch.set(Launch())
anyio.run(lambda: run_process([sys.executable, "-c", sys.argv[1]], stream_output=True))
"""


def started(
    code: str,
    chosen: Launch | None = None,
    **options: Any,  # noqa: ANN401 - those of run_process
) -> tuple[int | None, str, str]:
    """The exit code of a child, and what of its two streams was shown."""
    out, err = io.StringIO(), io.StringIO()

    async def start() -> int | None:
        launch.set(chosen or Launch())
        ended = await run_process(
            [sys.executable, "-c", code],
            stream_output=(out, err),
            env={**os.environ, **options.pop("env", {})},
            **options,
        )
        return ended.returncode

    return anyio.run(start), out.getvalue(), err.getvalue()


def test_a_child_has_its_own_group_its_folder_and_its_variables(tmp_path: Path) -> None:
    """So a lease's processes can be counted and ended; the rest is as Prefect has it."""
    own = "os.getpid() == os.getpgid(0) == os.getsid(0)"
    code = f"import os; print({own}, os.getcwd(), os.environ['MINE'])"

    assert started(code, cwd=tmp_path, env={"MINE": "7"}) == (0, f"True {tmp_path} 7\n", "")


@pytest.mark.parametrize(
    ("code", "ended"),
    [
        ("import sys; sys.exit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os; os.kill(os.getpid(), 15)", -15),
        ("input()", 1),
    ],
)
def test_an_exit_code_is_the_childs(code: str, ended: int) -> None:
    """A signal is its number below zero; whoever asks on standard input finds nothing there."""
    assert started(code)[0] == ended


def test_both_streams_are_shown_to_the_last_letter() -> None:
    """What has no end of line, and what comes in the very last moment, is shown too."""
    code = "import sys; print('ä' * 100_000); sys.stderr.write('last')"

    assert started(code) == (0, "ä" * 100_000 + "\n", "last")


def test_what_was_shown_takes_no_room(tmp_path: Path) -> None:
    """A run that talks for weeks fills no disk."""
    shown = io.StringIO()
    output = Output(shown)
    os.write(output.fileno(), b"x" * 5_000_000)

    output.hand_on()

    assert len(shown.getvalue()) == 5_000_000
    assert os.fstat(output.fileno()).st_blocks * 512 < 2_000_000
    output.close()


def test_a_child_outlives_who_reads_its_output(tmp_path: Path) -> None:
    """A worker that is killed ends none of its runs, however much they print."""
    said = tmp_path / "said"
    talking = (
        "import sys, time, pathlib\n"
        "print('here', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.02)\n"
        "print('x' * 100_000, flush=True)\n"
        f"pathlib.Path({str(said)!r}).touch()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", FOLLOWING, talking], cwd=tmp_path, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"here\n"
        worker.kill()

    (tmp_path / "go").touch()

    deadline = time.monotonic() + 20
    while not said.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_child_that_cannot_be_prepared_is_killed() -> None:
    """What could not be put on its lease must not run; the error says why."""
    pids: list[int] = []

    def refuse(pid: int) -> None:
        pids.append(pid)
        raise OSError("no room")

    with pytest.raises(BaseException, match="no room"):
        started("import time; time.sleep(60)", Launch(prepare=refuse))
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_a_child_is_prepared_before_anybody_is_told_of_it() -> None:
    """Prefect may cancel a run as soon as it knows of its process."""
    order: list[tuple[str, int]] = []

    class Status:
        def started(self, value: int) -> None:
            order.append(("told", value))

    started(
        "pass", Launch(prepare=lambda pid: order.append(("prepared", pid))), task_status=Status()
    )

    assert [name for name, _ in order] == ["prepared", "told"]
    assert order[0][1] == order[1][1]


def test_a_child_ends_with_the_task_that_waits_for_it() -> None:
    """As with Prefect's own: a worker that is stopped leaves nothing behind."""
    pids: list[int] = []

    async def leave() -> None:
        launch.set(Launch(prepare=pids.append))
        with anyio.move_on_after(0.5):
            await run_process([sys.executable, "-c", "import time; time.sleep(60)"])

    anyio.run(leave)

    with suppress(ProcessLookupError):
        os.kill(pids[0], 0)
        os.kill(pids[0], signal.SIGKILL)
        pytest.fail("it still runs")
