"""Rooms of their own in the kernel: a network with nothing but the loopback, mounts of a test's."""

import os
import shutil
import subprocess
from collections.abc import Sequence

_AS_ROOT = os.geteuid() == 0


def room(*kinds: str) -> list[str]:
    """The command that runs what follows it in namespaces of its own, as the same user.

    Args:
        kinds: ``net`` or ``mount``.
    """
    # Root keeps its users: the embedded database runs as another one.
    myself = [] if _AS_ROOT else ["--map-current-user", "--keep-caps"]
    return ["unshare", *myself, *(f"--{kind}" for kind in kinds)]


def refused(*kinds: str) -> str:
    """Why there can be no such namespace here; empty where there can."""
    missing = [name for name in ("unshare", "ip") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} not installed"
    tried = subprocess.run([*room(*kinds), "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no namespaces here: {tried.stderr.strip()}"


def shell(script: str, *arguments: str) -> list[str]:
    """A shell that runs a script, with its arguments as ``$1``, ``$2`` and ``"$@"``."""
    return ["sh", "-euc", script, "sh", *arguments]


def mounted(mount: str, *command: str) -> list[str]:
    """A command that sees a mount that nobody else does.

    Args:
        mount: arguments of ``mount``, as a shell reads them.
        command: what runs.
    """
    return [*room("mount"), *shell(f'mount {mount} && exec "$@"', *command)]


def cut_off(command: Sequence[str]) -> list[str]:
    """A command whose network is a loopback of its own, and whose name server is far away.

    Whoever asks for a name therefore leaves the loopback, wherever this machine asks.
    """
    script = 'ip link set lo up; echo nameserver 192.0.2.53 > "$1"; mount --bind "$1" "$2"; shift 2'
    names = os.path.realpath("/etc/resolv.conf")
    own = "/dev/shm/perennial-resolv.conf"  # noqa: S108 - the mount that hides it is ours alone
    fresh = "mount -t tmpfs none /dev/shm"
    lines = f'{fresh}; {script}; exec "$@"'
    return [*room("net", "mount"), *shell(lines, own, names, *command)]
