"""Where a client connects, and the options of its channels."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import grpc

from scoreline.channel.tls import TlsOptions

DEFAULT_PORT = 50051
Metadata: TypeAlias = Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]]

_KEY = re.compile(r"[0-9a-z_.-]+", re.ASCII)
_MAX_ANSWER_BYTES = 256 * 1024 * 1024
_SERVICE_CONFIG = '{"loadBalancingConfig": [{"round_robin": {}}]}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server to connect to: target as gRPC names it, credentials or None for plain text, metadata on every call."""

    target: str
    credentials: grpc.ChannelCredentials | None = None
    server_name: str | None = None
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    connections: int = 1

    def __post_init__(self) -> None:
        if self.connections < 1:
            raise ValueError("connections must be at least 1")

    @property
    def options(self) -> list[tuple[str, str | int]]:
        """The channel's arguments."""
        options: list[tuple[str, str | int]] = [
            # The flows retry, with the caller's request id and deadline; two layers would multiply.
            ("grpc.enable_retries", 0),
            ("grpc.service_config", _SERVICE_CONFIG),
            ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
            ("grpc.max_send_message_length", -1),
            # A restarted server is found before the deadlines of waiting calls.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.min_reconnect_backoff_ms", 2000),
            # A peer that vanished is noticed while calls wait for it.
            ("grpc.keepalive_time_ms", 20_000),
            ("grpc.keepalive_timeout_ms", 5_000),
            # Without a pool of its own, a second channel to the same target shares the first one's connection.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        return options + ([("grpc.ssl_target_name_override", self.server_name)] if self.server_name else [])


def endpoint(target: str | None, *, tls: TlsOptions | None, metadata: Metadata, connections: int) -> Endpoint:
    """The endpoint for a client's options; without a target that of SCORELINE_SERVER, else this host's port 50051.

    Raises ValueError for an address that is a URL or has a port that is no number, and for metadata that gRPC cannot
    carry.
    """
    pairs = tuple(metadata.items() if isinstance(metadata, Mapping) else metadata)
    for key, value in pairs:
        _check_metadata(key, value)
    return Endpoint(
        target=full_target(target or os.environ.get("SCORELINE_SERVER") or "127.0.0.1"),
        credentials=tls.credentials() if tls else None,
        server_name=tls.server_name if tls else None,
        metadata=pairs,
        connections=connections,
    )


def _check_metadata(key: str, value: str | bytes) -> None:
    """Raises ValueError for metadata that gRPC would refuse at each call, with a less specific message."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"the metadata key {key!r} must be of lower-case letters, digits and '-_.'")
    if key.endswith("-bin") != isinstance(value, bytes):
        raise ValueError(f"metadata {key!r}: bytes belong under keys that end in -bin, and text under others")
    if isinstance(value, str) and not (value.isascii() and value.isprintable()):
        raise ValueError(f"metadata {key!r}: text must be printable ASCII; send bytes under {key}-bin")


def full_target(target: str) -> str:
    """The target with the default port where it names a host alone; gRPC itself would take port 443.

    Raises ValueError for a URL, and for a port that is no number.
    """
    if target.startswith(("http://", "https://")):
        scheme, _, rest = target.partition("://")
        hint = " and TLS options" if scheme == "https" else ""
        raise ValueError(f"the address {target!r} is a URL: give host and port, {rest.partition('/')[0]!r}{hint}")
    host = target.removeprefix("dns:///")
    if "/" in host or host.startswith(("unix:", "unix-abstract:", "ipv4:", "ipv6:", "dns:", "vsock:", "xds:")):
        return target
    has_port = "]:" in host if host.startswith("[") else host.count(":") == 1
    if has_port and not host.rpartition(":")[2].isdecimal():
        raise ValueError(f"the address {target!r} has no number for its port")
    return target if has_port else f"{target}:{DEFAULT_PORT}"
