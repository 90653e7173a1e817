"""What Prefect's clients share of the machine's certificates, and what they never share."""

import shutil
import ssl
from pathlib import Path

import pytest
from prefect._internal import version_checking, websockets
from prefect.client import orchestration
from prefect.settings import (
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_TLS_INSECURE_SKIP_VERIFY,
    temporary_settings,
)

from infra.warm.certificates import read_once

ADDRESS = "https://127.0.0.1:9/api"


@pytest.fixture(autouse=True)
def _shared(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (orchestration, version_checking, websockets):
        monkeypatch.setattr(module, "ssl", ssl)  # it is put back afterwards
    read_once()


def context_of(client: object) -> ssl.SSLContext:
    """What a client checks its server with."""
    found = client._client._transport._pool._ssl_context  # type: ignore[attr-defined]
    assert isinstance(found, ssl.SSLContext)
    return found


def test_clients_share_the_certificates_that_were_read_once() -> None:
    """Those that wait and those that do not; and they still check whom they talk to."""
    one = context_of(orchestration.SyncPrefectClient(ADDRESS))
    other = context_of(orchestration.PrefectClient(ADDRESS))

    assert one is other
    assert one.verify_mode == ssl.CERT_REQUIRED
    assert one.check_hostname
    assert one.get_ca_certs()


def test_a_file_of_certificates_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    """A worker lives for months, and certificates are renewed meanwhile."""
    import certifi

    place = tmp_path / "bundle.pem"
    shutil.copy(certifi.where(), place)
    with temporary_settings({PREFECT_API_SSL_CERT_FILE: str(place)}):
        before = context_of(orchestration.SyncPrefectClient(ADDRESS))
        text = Path(certifi.where()).read_text(encoding="utf-8")
        renewed = tmp_path / "renewed.pem"
        renewed.write_text(text[: text.index("END CERTIFICATE") + 21], encoding="utf-8")
        renewed.replace(place)
        after = context_of(orchestration.SyncPrefectClient(ADDRESS))

    assert len(before.get_ca_certs()) > 1
    assert len(after.get_ca_certs()) == 1


def test_a_client_that_checks_nothing_shares_with_nobody() -> None:
    """Whoever switches the check off does so for that client alone."""
    strict = context_of(orchestration.SyncPrefectClient(ADDRESS))
    with temporary_settings({PREFECT_API_TLS_INSECURE_SKIP_VERIFY: True}):
        lenient = context_of(orchestration.SyncPrefectClient(ADDRESS))

    assert lenient.verify_mode == ssl.CERT_NONE
    assert strict.verify_mode == ssl.CERT_REQUIRED
    assert context_of(orchestration.SyncPrefectClient(ADDRESS)) is strict
