"""Why no connection comes about, against real servers and addresses; each is one line that says what to do."""

from pathlib import Path

import grpc
import pytest

import scoreline
from scoreline import RetryPolicy, TlsOptions
from scoreline.channel.connection_errors import explained
from tests.clients.conftest import Connect, Start

NAME = "scoring.internal"


def says(connect: Connect, target: str, tls: TlsOptions | None = None) -> str:
    """The text of the error, with the target as TARGET."""
    with pytest.raises(scoreline.UnavailableError) as caught:
        connect(target, tls=tls, retry=RetryPolicy(max_attempts=1)).schema("credit")
    assert isinstance(caught.value.__cause__, grpc.RpcError)
    return str(caught.value).replace(target, "TARGET")


@pytest.fixture
def secure(certificates: Path, start: Start) -> str:
    pair = ((certificates / "server.key").read_bytes(), (certificates / "server.crt").read_bytes())
    return str(start(credentials=grpc.ssl_server_credentials([pair])).target)


def test_no_server(connect: Connect) -> None:
    text = "no server at TARGET: connection refused; start one with `scoreline serve`"
    assert says(connect, "127.0.0.1:1") == text


def test_no_host_of_the_name(connect: Connect) -> None:
    assert says(connect, "no-such-host.invalid:50051").startswith("there is no host for the address 'TARGET': ")


def test_a_client_without_tls_of_a_server_with_tls(connect: Connect, secure: str) -> None:
    assert says(connect, secure) == (
        "the server at TARGET closes new connections: does it require TLS, TlsOptions(ca=...) or --tls-ca?"
    )


def test_a_client_with_tls_of_a_server_without(connect: Connect, certificates: Path, start: Start) -> None:
    target = start().target
    text = "the server at TARGET does not use TLS: connect without TLS options"
    assert says(connect, target, TlsOptions(ca=certificates / "ca.crt")) == text


def test_a_certificate_that_is_not_trusted(connect: Connect, certificates: Path, secure: str) -> None:
    tls = TlsOptions(ca=certificates / "client.crt", server_name=NAME)
    assert says(connect, secure, tls).startswith("the certificate of the server at TARGET is not trusted: give the PEM")


def test_a_certificate_for_another_name(connect: Connect, certificates: Path, secure: str) -> None:
    tls = TlsOptions(ca=certificates / "ca.crt")
    assert says(connect, secure, tls).startswith("the certificate of the server at TARGET is for another host name: ")


def test_a_server_that_requires_a_certificate(connect: Connect, certificates: Path, start: Start) -> None:
    pair = ((certificates / "server.key").read_bytes(), (certificates / "server.crt").read_bytes())
    ca = (certificates / "ca.crt").read_bytes()
    target = start(credentials=grpc.ssl_server_credentials([pair], ca, require_client_auth=True)).target
    tls = TlsOptions(ca=certificates / "ca.crt", server_name=NAME)
    assert says(connect, target, tls) == (
        "the server at TARGET closes new connections: does it require a client certificate, "
        "TlsOptions(cert=..., key=...) or --tls-cert and --tls-key?"
    )


@pytest.mark.parametrize("text", ["Socket closed", "the server is stopping"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert explained(text, target="scoring:1", tls=False) == text


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("http://127.0.0.1:50051", "is a URL: give host and port, '127.0.0.1:50051'$"),
        ("https://scoring/v1", "is a URL: give host and port, 'scoring' and TLS options$"),
        ("127.0.0.1:http", "has no number for its port"),
    ],
)
def test_an_address_that_cannot_be_is_refused_when_the_client_is_made(connect: Connect, target: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        connect(target)
