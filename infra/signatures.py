"""SSH signatures of texts, made and checked by OpenSSH: ``ssh-keygen -Y``."""

import base64
import binascii
import hashlib
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from infra.errors import ConfigError

_NAMESPACE: Final = "perennial-review"
"""A signature made for anything else, git for instance, does not count."""

_ANSWER_S: Final = 120
"""Long enough to type a passphrase or to touch a key."""

_MAGIC: Final = b"SSHSIG"
_KEY_AT: Final = len(_MAGIC) + 4
"""Where a signature holds its public key, behind a version.

Source: OpenSSH, PROTOCOL.sshsig.
"""


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


def is_signed(text: str, signature: str, signer: str, signers: str) -> bool:
    """Whether a signer who is allowed to made the signature of this very text.

    Args:
        text: what was signed.
        signature: in armoured form.
        signer: the name that the allowed signers give the key.
        signers: the text of an allowed signers file, as ``ssh-keygen`` describes it.

    Raises:
        ConfigError: OpenSSH is not here.
    """
    with TemporaryDirectory() as folder:
        kept, allowed = Path(folder, "signature"), Path(folder, "signers")
        kept.write_text(signature, encoding="utf-8", errors="replace")
        allowed.write_text(signers, encoding="utf-8")
        asked = ("-f", str(allowed), "-I", signer, "-s", str(kept))
        return _keygen("verify", *asked, text=text).returncode == 0


def fingerprint(signature: str) -> str:
    """The key that made a signature, as OpenSSH shows it; empty where there is no signature.

    >>> fingerprint("")
    ''
    """
    body = "".join(line for line in signature.split("\n") if not line.startswith("-----"))
    try:
        data = base64.b64decode(body, validate=False)
    except (binascii.Error, ValueError):
        return ""
    if not data.startswith(_MAGIC):
        return ""
    length = int.from_bytes(data[_KEY_AT : _KEY_AT + 4], "big")
    key = data[_KEY_AT + 4 : _KEY_AT + 4 + length]
    return f"SHA256:{base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip('=')}"


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
