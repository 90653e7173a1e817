"""A second machine: a network of its own, with one cable to a port of this one."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.namespaces import room, shell

_AS_ROOT = os.geteuid() == 0
_PATIENCE_S = 30.0


@contextmanager
def machine_apart(port: int, folder: Path) -> Iterator[list[str]]:
    """What to write before a command that shall run on another machine.

    There is nothing on its network but itself, and the port of this machine as its own.

    Args:
        port: of the loopback here.
        folder: where the cable lies.
    """
    end = folder / "cable"
    cable = [sys.executable, "-m", "tests.support.machines_apart"]
    with (
        _running([*cable, "here", str(end), str(port)], end),
        _running(
            [
                *room("net"),
                *shell('ip link set lo up; exec "$@"', *cable, "there", str(end), str(port)),
            ],
            folder / "cable.plugged",
        ) as far,
    ):
        users = [] if _AS_ROOT else ["--user", "--preserve-credentials"]
        yield ["nsenter", "--target", str(far), *users, "--net", "--"]


@contextmanager
def _running(command: list[str], ready: Path) -> Iterator[int]:
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not ready.exists():
            assert process.poll() is None, f"{command} has ended"
            assert time.monotonic() < deadline, f"{command} is not ready"
            time.sleep(0.02)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


async def _serve(side: str, end: Path, port: int) -> None:
    """One end of the cable: connections come in at one side, and go out at the other."""

    async def connect(coming: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            if side == "here":
                going, out = await asyncio.open_connection("127.0.0.1", port)
            else:
                going, out = await asyncio.open_unix_connection(end)
        except OSError:
            back.transport.abort()  # nobody listens: as a server that is down
            return
        await asyncio.gather(_flow(coming, out), _flow(going, back))

    if side == "here":
        server = await asyncio.start_unix_server(connect, end)
    else:
        server = await asyncio.start_server(connect, "127.0.0.1", port)
        end.with_suffix(".plugged").touch()
    await server.serve_forever()


async def _flow(coming: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await coming.read(2**16):
            out.write(data)
            await out.drain()
    out.close()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
