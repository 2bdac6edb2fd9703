"""One listening address and its services: the pipeline's methods, streams, health and reflection."""

import os
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import structlog

from scoreline.v1 import analysis_pb2, decisions_pb2, profiles_pb2, registry_pb2, scoring_pb2
from scoreline_server.errors import StartError
from scoreline_server.rpc.methods import SCORE
from scoreline_server.rpc.pipeline import Pipeline
from scoreline_server.settings import Settings
from scoreline_server.stopping import Deadline
from scoreline_server.transport import completion_queue, servicer
from scoreline_server.transport.lane import Lane, LaneLimits
from scoreline_server.transport.standard_services import Health, reflection_handlers
from scoreline_server.transport.stream_pool import StreamPool
from scoreline_server.transport.streams import Streams

SERVICES = tuple(
    service.full_name
    for file in (scoring_pb2, registry_pb2, analysis_pb2, profiles_pb2, decisions_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
)

_log = structlog.get_logger()

_MAX_PENDING = 1_000_000
_REFLECTION_STREAMS = 16


class Endpoint:
    """A bound gRPC server; calls come in once it is started."""

    def __init__(
        self,
        address: str,
        settings: Settings,
        *,
        threads: ThreadPoolExecutor,
        reuse_port: bool = False,
    ) -> None:
        """Takes the port. Raises StartError when that cannot be."""
        self._host = address.rpartition(":")[0]
        self._grpc = grpc.server(
            threads,
            options=[
                ("grpc.so_reuseport", int(reuse_port)),
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_send_message_length", -1),
                # With the defaults a burst behind one slow flush is cancelled by the core; only admission refuses.
                ("grpc.server.max_pending_requests", _MAX_PENDING),
                ("grpc.server.max_pending_requests_hard_limit", _MAX_PENDING),
            ],
        )
        self._port = _bind(self._grpc, address, settings)
        self._settings = settings
        self._lane: Lane | None = None
        self._stopped = threading.Event()
        self._reflection = StreamPool(_REFLECTION_STREAMS)

    @property
    def address(self) -> str:
        """The address that it listens on, with the bound port."""
        return f"{self._host}:{self._port}"

    def serve(
        self,
        pipeline: Pipeline,
        streams: Streams,
        health: Health,
        *,
        on_death: Callable[[], None],
        by_admin_address: bool = False,
    ) -> None:
        """Registers all handlers and begins to receive calls. ``on_death`` is called when the hot lane fails."""
        handlers = {
            **streams.handlers(by_admin_address=by_admin_address),
            **health.handlers(),
            **reflection_handlers(SERVICES, self._reflection),
        }
        hot = (SCORE,) if self._has_lane(by_admin_address=by_admin_address) else ()
        if hot:
            queue = completion_queue.CallQueue(self._grpc, hot)
            self._lane = Lane(queue, hot, pipeline, limits=lane_limits(self._settings), on_death=on_death)
        servicer.add_to_server(pipeline, self._grpc, streams=handlers, without=hot, by_admin_address=by_admin_address)
        self._grpc.start()
        if self._lane:
            self._lane.start()

    def begin_stop(self, grace_seconds: float) -> None:
        """Receives no more calls; those still open after ``grace_seconds`` are cancelled."""
        if self._lane:
            self._lane.close()
        self._stopped = self._grpc.stop(grace_seconds)
        if self._lane:
            self._lane.end()

    def finish_stop(self, timeout_seconds: float) -> bool:
        """Waits until every call has ended; False when that takes longer."""
        deadline = Deadline(timeout_seconds)
        is_over = self._stopped.wait(deadline.remaining_seconds)
        self._reflection.close()
        return (not self._lane or self._lane.join(deadline)) and is_over

    def _has_lane(self, *, by_admin_address: bool) -> bool:
        if by_admin_address or not self._settings.hot_lane:
            return False
        missing = completion_queue.missing_names(self._grpc)
        if missing:
            _log.warning("this grpcio cannot carry the hot lane; serving the ordinary way", missing=missing)
        return not missing


def lane_limits(settings: Settings) -> LaneLimits:
    """The limits of the lane by the settings."""
    return LaneLimits(
        flush_seconds=settings.flush_seconds,
        slow_call_seconds=settings.heavy_seconds,
        slow_call_threads=settings.heavy_threads,
        receive_seconds=settings.receive_seconds,
    )


def has_tls(settings: Settings) -> bool:
    """Whether callers must speak TLS."""
    return settings.tls_certificate_file is not None


def _bind(server: grpc.Server, address: str, settings: Settings) -> int:
    try:
        if has_tls(settings):
            port = server.add_secure_port(address, _credentials(settings))
        else:
            port = server.add_insecure_port(address)
    except (RuntimeError, OSError) as error:
        raise StartError(f"cannot listen on {address}: {error}") from error
    if not port:
        raise StartError(f"cannot listen on {address}: is the port taken?")
    return port


def _credentials(settings: Settings) -> grpc.ServerCredentials:
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        raise StartError("TLS needs tls_certificate_file and tls_key_file")
    _check_pair(settings.tls_certificate_file, settings.tls_key_file)
    pair = (settings.tls_key_file.read_bytes(), settings.tls_certificate_file.read_bytes())
    roots = settings.tls_client_ca_file.read_bytes() if settings.tls_client_ca_file else None
    return grpc.ssl_server_credentials([pair], root_certificates=roots, require_client_auth=roots is not None)


def _check_pair(certificate: Path, key: Path) -> None:
    """Raises StartError unless the files are a certificate chain and its private key."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        expected = "must be a PEM certificate chain and its unencrypted PEM key"
        detail = f"tls_certificate_file {certificate} and tls_key_file {key} {expected}"
        if error.reason == "KEY_VALUES_MISMATCH":
            detail = f"tls_key_file {key} is not the private key of tls_certificate_file {certificate}"
        raise StartError(detail) from error
    except OSError as error:
        unreadable = next((path for path in (certificate, key) if not os.access(path, os.R_OK)), certificate)
        raise StartError(f"{unreadable} cannot be read: {error.strerror}") from error
