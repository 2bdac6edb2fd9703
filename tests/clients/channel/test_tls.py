"""TLS and mutual TLS with certificates made here; needs the ``openssl`` command."""

from pathlib import Path

import grpc
import pytest

import scoreline
from scoreline import RetryPolicy, TlsOptions
from tests.clients.conftest import Connect, Start

ONCE = RetryPolicy(max_attempts=1)


@pytest.fixture(params=[False, True], ids=["tls", "mutual"])
def mutual(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def target(certificates: Path, mutual: bool, start: Start) -> str:
    ca = (certificates / "ca.crt").read_bytes()
    pair = ((certificates / "server.key").read_bytes(), (certificates / "server.crt").read_bytes())
    credentials = grpc.ssl_server_credentials([pair], ca if mutual else None, mutual)
    running = start(credentials=credentials)
    return str(running.target)


def options(folder: Path, *, mutual: bool, name: str | None = "scoring.internal") -> TlsOptions:
    return TlsOptions(
        ca=folder / "ca.crt",
        cert=folder / "client.crt" if mutual else None,
        key=(folder / "client.key").read_bytes() if mutual else None,
        server_name=name,
    )


def test_scores_travel_over_tls(connect: Connect, target: str, certificates: Path, mutual: bool) -> None:
    client = connect(target, tls=options(certificates, mutual=mutual))
    assert client.score("credit", {"income": 3.0}).score == 3.0


def test_a_server_of_another_name_is_not_trusted(
    connect: Connect, target: str, certificates: Path, mutual: bool
) -> None:
    client = connect(target, tls=options(certificates, mutual=mutual, name=None), retry=ONCE)
    with pytest.raises(scoreline.UnavailableError):
        client.score("credit", {"income": 3.0})


def test_mutual_tls_refuses_a_client_without_a_certificate(connect: Connect, certificates: Path, start: Start) -> None:
    pair = ((certificates / "server.key").read_bytes(), (certificates / "server.crt").read_bytes())
    ca = (certificates / "ca.crt").read_bytes()
    running = start(credentials=grpc.ssl_server_credentials([pair], ca, require_client_auth=True))
    client = connect(running.target, tls=options(certificates, mutual=False), retry=ONCE)
    with pytest.raises(scoreline.UnavailableError):
        client.score("credit", {"income": 3.0})


def test_a_missing_file_shows_when_the_client_is_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.pem"):
        scoreline.Client("127.0.0.1:1", tls=TlsOptions(ca=tmp_path / "no.pem"))


def test_a_file_that_is_no_pem_shows_when_the_client_is_made(tmp_path: Path) -> None:
    (tmp_path / "ca.der").write_bytes(b"\x30\x82")
    with pytest.raises(ValueError, match=r"ca .*ca\.der is not PEM"):
        scoreline.Client("127.0.0.1:1", tls=TlsOptions(ca=tmp_path / "ca.der"))
    with pytest.raises(ValueError, match=r"^key is not PEM"):
        scoreline.Client("127.0.0.1:1", tls=TlsOptions(cert=b"-----BEGIN CERTIFICATE-----", key=b"secret"))


def test_a_certificate_needs_its_key_and_a_key_is_not_shown() -> None:
    with pytest.raises(ValueError, match="cert and key go together"):
        TlsOptions(cert=b"certificate")
    assert "secret" not in repr(TlsOptions(cert=b"certificate", key=b"secret"))
