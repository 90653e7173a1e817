"""Bentos on this machine: built whole or not at all, found by tag, served for as long as asked."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import httpx

from infra import store
from infra.errors import BackendError
from infra.settings import settings
from infra.telemetry import silence

_READY_S = 90.0
_BUILD_S = 300.0
_LOOK_S = 0.05
_DIGESTED = ("src", "env")
"""What a Bento answers with; the rest names the time it was built."""

_BUILD = (
    "import gc, json, sys; gc.set_threshold(50_000, 20, 20); import bentoml;"
    "from bentoml._internal import configuration; configuration.get_uv_command = list;"
    "print(bentoml.bentos.build(**json.loads(sys.argv[1])).path);"
    "gc.freeze()"
)
"""Why garbage is looked for seldom: `infra.garbage`, which a Bento does not hold.

BentoML would install uv from PyPI, wherever there is none, and then not call it: nothing is locked.
"""
_SERVE = (
    "import ctypes, gc, os, sys; gc.set_threshold(50_000, 20, 20);"
    "sys.platform.startswith('linux') and ctypes.CDLL(None).prctl(1, 9);"
    "os.getppid() == int(sys.argv[1]) or sys.exit(1);"
    "import bentoml, uvicorn;"
    "app = bentoml.load(sys.argv[2]).to_asgi();"
    "uvicorn.run(app, fd=int(sys.argv[3]), log_level='warning')"
)
"""What `bentoml serve` has its workers do, without the process that would watch over one worker.

Asks the kernel to end the server with us, also when we are killed. Source: prctl(2).
"""


def bento_folder(tag: str) -> Path:
    """Where the Bento of a tag lies, or would lie."""
    name, _, version = tag.partition(":")
    return _home() / "bentos" / name / version


def bento_record(model: str, candidate: str) -> str:
    """URI of the file that holds a candidate's tested Bento as a reference."""
    return store.uri(model, "bentos", f"{candidate}.json")


def bento_digest(folder: Path) -> str:
    """SHA-256 over what a Bento answers with: names and bytes of its code, model and pins."""
    digest = hashlib.sha256()
    for path in sorted(path for part in _DIGESTED for path in (folder / part).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(store.file_digest(path).encode() + b"\0")
    return digest.hexdigest()


def build_bento(
    context: Path, service: str, tag: str, packages: list[str], labels: Mapping[str, str]
) -> Path:
    """The folder of the Bento of a tag: found, or built from all files of a folder.

    It is built in a process of its own, because BentoML imports the service from the folder, and
    in a place of its own, because a build that is killed leaves a half that has the tag already.

    Raises:
        BackendError: BentoML refused to build it.
        ResourceError: the disk is full.
    """
    target = bento_folder(tag)
    if target.is_dir():
        return target
    name, _, version = tag.partition(":")
    try:
        _home().mkdir(parents=True, exist_ok=True)
        _sweep()
        with tempfile.TemporaryDirectory(prefix="building-", dir=_home()) as private:
            asked = {
                "service": service,
                "name": name,
                "version": version,
                "build_ctx": str(context),
                "labels": dict(labels),
                "include": ["*"],
                # BentoML would ask PyPI for a lock: the versions come from ours.
                "python": {"packages": packages, "lock_packages": False},
            }
            _build(asked, Path(private))
            target.parent.mkdir(parents=True, exist_ok=True)
            _move(Path(private) / "bentos" / name / version, target)
    except OSError as error:
        raise store.disk_error(error, target) from error
    return target


def _sweep() -> None:
    """Remove what builds that were killed have left; one that still runs is younger."""
    for left in _home().glob("building-*"):
        with suppress(FileNotFoundError):  # another run sweeps too
            if time.time() - left.stat().st_mtime > 2 * _BUILD_S:
                shutil.rmtree(left)


class Server:
    """A Bento that answers on a loopback port; the first question waits until it is ready."""

    def __init__(
        self, tag: str, process: subprocess.Popen[bytes], port: int, log: IO[bytes]
    ) -> None:
        self.process = process
        self._tag, self._log, self._ready = tag, log, False
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False
        )

    def ask(self, call: str, body: object) -> tuple[int, Any]:
        """Status and JSON of an answer.

        Raises:
            BackendError: there was no answer, or it did not become ready; the message then ends
                with its last words.
        """
        self._wait()
        try:
            answer = self._client.post(f"/{call}", json=body)
            return answer.status_code, answer.json()
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise BackendError(f"The Bento gave no answer to {call!r}: {error}.") from error

    def end(self) -> None:
        """Let go of the connections and of the process, which keeps nothing."""
        self._client.close()
        self.process.kill()
        self.process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + _READY_S
        while not self._ready:
            if self.process.poll() is not None:
                raise BackendError(f"The server of {self._tag} ended: {self._last_words()}")
            if time.monotonic() > deadline:
                raise BackendError(
                    f"{self._tag} was not ready after {_READY_S:.0f} s: {self._last_words()}"
                )
            self._ready = self._answers()

    def _answers(self) -> bool:
        try:
            return self._client.get("/readyz").is_success
        except httpx.HTTPError:
            time.sleep(_LOOK_S)
            return False

    def _last_words(self) -> str:
        self._log.seek(0)
        return _last_words(self._log.read().decode(errors="replace"))


@contextmanager
def serving_bento(tag: str) -> Iterator[Server]:
    """A server for the Bento of a tag, started at once, gone at the block's end or with us."""
    with socket.socket() as listener, tempfile.TemporaryFile() as log:
        listener.bind(("127.0.0.1", 0))  # bound here, so that nobody else can answer in its place
        number = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(os.getpid()), tag, str(number)],
            cwd=bento_folder(tag),
            env=_environment(_home()),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[number],
        )
        server = Server(tag, process, listener.getsockname()[1], log)
        try:
            yield server
        finally:
            server.end()


def _home() -> Path:
    return settings().home / "bentoml"


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    silence(kept)
    # The build and the server import what lies in the Bento, not what lies where they start.
    return kept | {"BENTOML_HOME": str(home), "PYTHONSAFEPATH": "1"}


def _build(asked: Mapping[str, object], home: Path) -> None:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _BUILD, json.dumps(asked)],
            cwd=home,
            env=_environment(home),
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_S,
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"BentoML did not build within {_BUILD_S:.0f} s.") from error
    if done.returncode != 0:
        raise BackendError(f"BentoML did not build: {_last_words(done.stderr)}")


def _move(built: Path, target: Path) -> None:
    try:
        built.rename(target)
    except OSError:
        if not target.is_dir():  # else somebody built the same at the same time: theirs stays
            raise


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-4:])[-600:] or "it said nothing."
