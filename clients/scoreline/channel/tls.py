"""The TLS options: trusted CAs, and the client's certificate."""

from dataclasses import dataclass, field
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """TLS, and mutual TLS where ``cert`` and ``key`` are given.

    Each of ``ca``, ``cert`` and ``key`` is a path to a PEM file, or the PEM itself as bytes. Without ``ca`` the roots
    that gRPC brings are trusted. ``server_name`` is the name to expect in the server's certificate where it is not the
    target's. Files are read when a client is made, so that a missing one is an error at once.
    """

    ca: str | Path | bytes | None = None
    cert: str | Path | bytes | None = None
    key: str | Path | bytes | None = field(default=None, repr=False)
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together: give both for mutual TLS, or neither")

    def credentials(self) -> grpc.ChannelCredentials:
        """gRPC's form of these options. Raises OSError when a file cannot be read, ValueError when one is no PEM."""
        return grpc.ssl_channel_credentials(
            root_certificates=_pem(self.ca, "ca"),
            private_key=_pem(self.key, "key"),
            certificate_chain=_pem(self.cert, "cert"),
        )


def _pem(source: str | Path | bytes | None, name: str) -> bytes | None:
    content = Path(source).read_bytes() if isinstance(source, str | Path) else source
    if content is not None and b"-----BEGIN " not in content:
        where = name if isinstance(source, bytes) else f"{name} {source}"
        raise ValueError(f"{where} is not PEM: it has no '-----BEGIN'")
    return content
