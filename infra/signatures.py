"""SSH signatures of texts, made and checked by OpenSSH: ``ssh-keygen -Y``."""

import subprocess
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from infra.errors import ConfigError

_NAMESPACE: Final = "perennial-review"
"""A signature made for anything else, git for instance, does not count."""

_ANSWER_S: Final = 120
"""Long enough to type a passphrase or to touch a key."""


def sign(text: str, key: Path) -> str:
    """The signature of a text in armoured form.

    Args:
        text: what is signed.
        key: a private key, or the public key of one that the SSH agent holds.

    Raises:
        ConfigError: OpenSSH is not here, or the key cannot sign.
    """
    done = _keygen("sign", "-f", str(key.expanduser()), text=text)
    if done.returncode:
        raise ConfigError(
            f"{key} did not sign: {done.stderr.strip()}.", hint="Name a key of yours with --sign."
        )
    return done.stdout


def unknown_signers(names: Iterable[str], signers: Path) -> tuple[str, ...]:
    """Those of some names for which an allowed signers file has no key.

    Args:
        names: of people.
        signers: the file, whose lines begin with patterns of names.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        lines = signers.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The allowed signers, {signers}, cannot be read: {error}.",
            hint="Each line is a name and a public key; see `man ssh-keygen`, ALLOWED SIGNERS.",
        ) from error
    known = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    patterns = [each for one in known for each in one.strip('"').split(",")]
    return tuple(name for name in names if not any(fnmatchcase(name, each) for each in patterns))


def is_signed(text: str, signature: str, signer: str, signers: Path) -> bool:
    """Whether a signer who is allowed to made the signature of this very text.

    Args:
        text: what was signed.
        signature: in armoured form.
        signer: the name that the file gives the key.
        signers: an allowed signers file, as ``ssh-keygen`` describes it.

    Raises:
        ConfigError: OpenSSH is not here.
    """
    with TemporaryDirectory() as folder:
        kept = Path(folder, "signature")
        kept.write_text(signature)
        asked = ("-f", str(signers), "-I", signer, "-s", str(kept))
        return _keygen("verify", *asked, text=text).returncode == 0


def _keygen(verb: str, *options: str, text: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", verb, "-n", _NAMESPACE, *options],  # noqa: S607 - found on PATH
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=_ANSWER_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(
            f"ssh-keygen does not answer: {error}.", hint="Install OpenSSH 8.1 or newer."
        ) from error
