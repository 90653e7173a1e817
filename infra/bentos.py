"""Bentos on this machine: built whole or not at all, found by tag, served for as long as asked."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from infra import store
from infra.errors import BackendError
from infra.processes import end
from infra.settings import settings
from infra.telemetry import silence

_READY_S = 90.0
_BUILD_S = 300.0
_PATIENCE_S = 10.0
_DIGESTED = ("src", "env")
"""What a Bento answers with; the rest names the time it was built."""

_BUILD = (
    "import json, sys, bentoml; asked = json.loads(sys.argv[1]);"
    "print(bentoml.bentos.build(**asked).path)"
)
_UNTIL_PARENT_ENDS = (
    "import ctypes, os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
    "ctypes.CDLL(None).prctl(1, signal.SIGTERM);"
    "os.getppid() == int(sys.argv[1]) or sys.exit(1);"
    "os.execv(sys.argv[2], sys.argv[2:])"
)
"""Asks the kernel to end the server with us, also when we are killed. Source: prctl(2)."""


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
    """A Bento that answers on a loopback port."""

    def __init__(self, process: subprocess.Popen[bytes], address: str) -> None:
        self.process = process
        self._client = httpx.Client(base_url=address, timeout=60, trust_env=False)

    def ask(self, call: str, body: object) -> tuple[int, Any]:
        """Status and JSON of an answer.

        Raises:
            BackendError: there was no answer.
        """
        try:
            answer = self._client.post(f"/{call}", json=body)
            return answer.status_code, answer.json()
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise BackendError(f"The Bento gave no answer to {call!r}: {error}.") from error

    def ready(self) -> bool:
        """Whether it would answer."""
        try:
            return self._client.get("/readyz").is_success
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


@contextmanager
def serving_bento(tag: str) -> Iterator[Server]:
    """A server for the Bento of a tag, gone at the block's end or with this process.

    Raises:
        BackendError: it did not become ready; the message ends with its last words.
    """
    port = _free_port()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            _command(tag, port),
            cwd=bento_folder(tag),
            env=_environment(_home()),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        server = Server(process, f"http://127.0.0.1:{port}")
        try:
            _wait(server, tag, log)
            yield server
        finally:
            server.close()
            _stop(process)


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


def _command(tag: str, port: int) -> list[str]:
    bare = [sys.executable, "-m", "bentoml", "serve", tag, "--host", "127.0.0.1"]
    command = [*bare, "--port", str(port)]
    if not sys.platform.startswith("linux"):
        return command
    return [sys.executable, "-c", _UNTIL_PARENT_ENDS, str(os.getpid()), *command]


def _wait(server: Server, tag: str, log: Any) -> None:  # noqa: ANN401 - a temporary file's wrapper
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise BackendError(f"The server of {tag} ended: {_words_of(log)}")
        if server.ready() and _is_ours(server, tag):
            return
        time.sleep(0.1)
    raise BackendError(f"{tag} was not ready after {_READY_S:.0f} s: {_words_of(log)}")


def _is_ours(server: Server, tag: str) -> bool:
    """Whether it is our Bento that answers: an old server on the port would be ready too."""
    status, about = server.ask("about", {})
    return status == httpx.codes.OK and about.get("tag") == tag


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and its workers, which lead process groups of their own."""
    try:
        workers = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        workers = []
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_PATIENCE_S)
    end([worker for worker in workers if worker.is_running()], patience_s=2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _words_of(log: Any) -> str:  # noqa: ANN401 - a temporary file's wrapper
    log.seek(0)
    return _last_words(log.read().decode(errors="replace"))


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-4:])[-600:] or "it said nothing."
