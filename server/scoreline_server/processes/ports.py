"""The port that all workers share, held from before the first one starts until after the last one has ended."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from scoreline_server.errors import StartError

_NO_PORT = ("unix:", "unix-abstract:", "vsock:")


def has_port(listen: str) -> bool:
    """Whether an address is one of TCP, which several processes can share."""
    return not listen.startswith(_NO_PORT)


@contextmanager
def reserved(listen: str) -> Iterator[str]:
    """Takes an address without listening on it, and gives it with the port that was really taken.

    The socket is bound alone, so that a port in use is an error even where its owner shares it, and is then opened to
    sharing, so that the workers can listen beside it. Connections go to listening sockets only, hence never here.

    Raises StartError when the address cannot be had.
    """
    if not has_port(listen):
        yield listen
        return
    with bound(listen) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        yield f"{listen.rpartition(':')[0]}:{taken.getsockname()[1]}"


def bound(listen: str) -> socket.socket:
    """A TCP socket bound to ``host:port`` and not listening. Raises StartError when that cannot be."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise StartError(f"cannot listen on {listen!r}: it must read HOST:PORT, such as 127.0.0.1:50051")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartError(f"cannot listen on {listen}: {error}") from error
    try:
        # Connections that an earlier server closed must not hold the port.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except OSError as error:
        taken.close()
        raise StartError(f"cannot listen on {listen}: {error}") from error
    return taken
