"""The server, assembled in one place and in order."""

import signal
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from scoreline.v1 import scoring_pb2
from scoreline_registry.errors import RegistryError
from scoreline_registry.registry import Registry
from scoreline_server import adapter
from scoreline_server.errors import StartError
from scoreline_server.metrics import CountedThreads, Metrics
from scoreline_server.pins import Pins
from scoreline_server.pipeline import Pipeline
from scoreline_server.settings import Settings
from scoreline_server.watcher import Watcher

_log = structlog.get_logger()

SERVICES = tuple(service.full_name for service in scoring_pb2.DESCRIPTOR.services_by_name.values())

# ONNX Runtime releases the GIL while it runs; with the default 5 ms a busy loader thread would hold up every answer.
_SWITCH_INTERVAL_SECONDS = 5e-5


class Server:
    """A serving process: ``with Server(settings) as server: ...`` serves until the block ends, then drains."""

    def __init__(self, settings: Settings, *, runtime: Path | None = None, reuse_port: bool = False) -> None:
        """Takes the port; raises StartError when that cannot be.

        ``runtime`` is a folder that the workers of one supervisor share. With ``reuse_port`` other workers may listen
        on the same port.
        """
        self.settings = settings
        self.metrics = Metrics()
        self.watcher = Watcher(
            _open(settings.registry),
            poll_seconds=settings.poll_seconds,
            pins=Pins(runtime / "pins.json" if runtime else None),
            loading=self.metrics.loading,
        )
        self.pipeline = Pipeline(lambda: self.watcher.catalog, metrics=self.metrics)
        self.health = health.HealthServicer()
        self._grpc = grpc.server(
            CountedThreads(settings.threads, self.metrics),
            options=[
                ("grpc.so_reuseport", int(reuse_port)),
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_send_message_length", -1),
            ],
        )
        adapter.add_to_server(self.pipeline, self._grpc, streams={})
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._grpc)
        reflection.enable_server_reflection([*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME], self._grpc)
        self.port = _bind(self._grpc, settings)
        self._draining = False

    @property
    def address(self) -> str:
        """Where it listens, with the port that was really taken."""
        return f"{self.settings.listen.rpartition(':')[0]}:{self.port}"

    def start(self) -> None:
        """Adopts the registry's newest revision, then opens for calls."""
        sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
        self.watcher.refresh()
        self.watcher.start()
        self._grpc.start()
        self._set_health(health_pb2.HealthCheckResponse.SERVING)
        _log.info("serving", address=self.address, registry=self.settings.registry, tls=_tls(self.settings))

    def stop(self) -> None:
        """Tells the world, waits ``drain_delay_seconds``, lets open calls end, closes. May be called twice."""
        if self._draining:
            return
        self._draining = True
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        _log.info("draining", delay_seconds=self.settings.drain_delay_seconds)
        time.sleep(self.settings.drain_delay_seconds)
        self._grpc.stop(self.settings.drain_seconds).wait()
        self.watcher.stop()
        _log.info("stopped")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _set_health(self, status: "health_pb2.HealthCheckResponse.ServingStatus") -> None:
        for service in ("", *SERVICES):
            self.health.set(service, status)


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then drains. Prints the address once it is open."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with Server(settings) as server:
        print(server.address, flush=True)  # noqa: T201  the address is the command's output
        ended.wait()


def _open(registry: str) -> Registry:
    try:
        return Registry.open(registry)
    except RegistryError as error:
        raise StartError(str(error)) from error


def _bind(server: grpc.Server, settings: Settings) -> int:
    try:
        if _tls(settings):
            port = server.add_secure_port(settings.listen, _credentials(settings))
        else:
            port = server.add_insecure_port(settings.listen)
    except (RuntimeError, OSError) as error:
        raise StartError(f"cannot listen on {settings.listen}: {error}") from error
    if not port:
        raise StartError(f"cannot listen on {settings.listen}: is the port taken?")
    return port


def _tls(settings: Settings) -> bool:
    return settings.tls_certificate_file is not None


def _credentials(settings: Settings) -> grpc.ServerCredentials:
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        raise StartError("TLS needs tls_certificate_file and tls_key_file")
    pair = (settings.tls_key_file.read_bytes(), settings.tls_certificate_file.read_bytes())
    roots = settings.tls_client_ca_file.read_bytes() if settings.tls_client_ca_file else None
    return grpc.ssl_server_credentials([pair], root_certificates=roots, require_client_auth=roots is not None)
