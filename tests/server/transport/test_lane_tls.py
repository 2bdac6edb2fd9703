"""TLS and mutual TLS by both ways; permission to score may hang on a client certificate's name. Needs ``openssl``."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.errors import StartError
from scoreline_server.settings import Settings
from tests.server.carriers import score_by
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named, reason_of

ANN = named(entity("ann", income=1.0))
POLICY = """
[[allow]]
actions = ["score"]
callers = ["cn:batch.*"]
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca, and signed by it server, batch and other, each as NAME.crt and NAME.key."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]

    def request(name: str, host: str, *signer: str) -> None:
        subprocess.run(
            ["openssl", "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={host}",
             *signer],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip

    request("ca", "ca")
    signer = ("-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE")
    for name, host in (("server", "scoring.internal"), ("batch", "batch.internal"), ("other", "other.internal")):
        request(name, host, *signer, "-addext", f"subjectAltName=DNS:{host}")
    return folder


@pytest.fixture
def registry(registry: Registry) -> Registry:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return registry


@pytest.fixture(params=[True, False], ids=["lane", "ordinary"])
def settings(settings: Settings, request: pytest.FixtureRequest, certificates: Path) -> Settings:
    tls = {"tls_certificate_file": certificates / "server.crt", "tls_key_file": certificates / "server.key"}
    return settings.model_copy(update={"hot_lane": request.param, **tls})


@pytest.fixture
def mutual(settings: Settings, certificates: Path, tmp_path: Path) -> Settings:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    return settings.model_copy(update={"tls_client_ca_file": certificates / "ca.crt", "policy_file": policy})


@contextmanager
def connected(server: Server, folder: Path, client: str = "") -> Iterator[grpc.Channel]:
    """A channel that trusts the authority and, if told so, shows a client's certificate."""
    key, chain = ((folder / f"{client}.{end}").read_bytes() if client else None for end in ("key", "crt"))
    credentials = grpc.ssl_channel_credentials((folder / "ca.crt").read_bytes(), key, chain)
    options = [("grpc.ssl_target_name_override", "scoring.internal"), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(server.address, credentials, options) as channel:
        yield channel


def test_scores_travel_over_tls(registry: Registry, settings: Settings, certificates: Path) -> None:
    with Server(settings) as server, connected(server, certificates) as channel:
        assert score_by(channel)(ANN).scores[0].version == 1


def test_without_tls_there_is_no_score(registry: Registry, settings: Settings) -> None:
    with Server(settings) as server, grpc.insecure_channel(server.address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            score_by(channel)(ANN, timeout=5)
        assert isinstance(caught.value, grpc.Call)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_the_policy_sees_the_name_on_a_clients_certificate(
    registry: Registry, mutual: Settings, certificates: Path
) -> None:
    with Server(mutual) as server:
        with connected(server, certificates, "batch") as channel:
            assert score_by(channel)(ANN).scores[0].version == 1
        with connected(server, certificates, "other") as channel:
            with pytest.raises(grpc.RpcError) as caught:
                score_by(channel)(ANN)
            assert reason_of(caught.value) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")


@pytest.mark.parametrize(("allowed", "code"), [("loopback", "OK"), ("admin", "PERMISSION_DENIED")])
def test_without_tls_the_policy_sees_where_a_caller_is_and_no_name(
    registry: Registry, settings: Settings, tmp_path: Path, allowed: str, code: str
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.replace("cn:batch.*", allowed))
    plain = {"tls_certificate_file": None, "tls_key_file": None, "policy_file": policy}
    with Server(settings.model_copy(update=plain)) as server, grpc.insecure_channel(server.address) as channel:
        assert score_by(channel).future(ANN, timeout=5).code().name == code


def test_mutual_tls_refuses_who_shows_no_certificate(registry: Registry, mutual: Settings, certificates: Path) -> None:
    with Server(mutual) as server, connected(server, certificates) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            score_by(channel)(ANN, timeout=5)
        assert isinstance(caught.value, grpc.Call)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_key_of_another_certificate_is_refused_at_start(
    registry: Registry, settings: Settings, certificates: Path
) -> None:
    with pytest.raises(StartError, match=r"batch\.key is not the private key of tls_certificate_file .*server\.crt"):
        Server(settings.model_copy(update={"tls_key_file": certificates / "batch.key"}))


def test_a_certificate_that_is_none_and_one_that_is_missing_are_named(
    registry: Registry, settings: Settings, tmp_path: Path
) -> None:
    text = tmp_path / "text.crt"
    text.write_text("no certificate")
    with pytest.raises(StartError, match=r"text\.crt and tls_key_file .*server\.key must be a PEM certificate chain"):
        Server(settings.model_copy(update={"tls_certificate_file": text}))
    with pytest.raises(StartError, match=r"none\.crt cannot be read: No such file"):
        Server(settings.model_copy(update={"tls_certificate_file": tmp_path / "none.crt"}))


def test_a_policy_that_needs_certificates_is_refused_without_mutual_tls(registry: Registry, mutual: Settings) -> None:
    with pytest.raises(StartError, match=r"score, decide would be refused to every caller: .*set tls_client_ca_file"):
        Server(mutual.model_copy(update={"tls_client_ca_file": None}))
