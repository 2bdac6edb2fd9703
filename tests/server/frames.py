"""Just enough HTTP/2 to misbehave: calls that gRPC's own clients would not make, over a plain socket."""

import socket
import struct
from collections import deque
from types import TracebackType
from typing import Self

from scoreline_server.rpc.methods import SCORE

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7, 0x8
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
CANCEL = 0x8
_INITIAL_WINDOW_SIZE = 0x4


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """One frame (RFC 9113, section 4.1)."""
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def call_headers(stream: int, path: str = SCORE, *, timeout: str = "") -> bytes:
    """The frame that opens a gRPC call; ``timeout`` as in the header grpc-timeout, like 100m."""
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "test", "te": "trailers"}
    fields["content-type"] = "application/grpc"
    if timeout:
        fields["grpc-timeout"] = timeout
    block = b"".join(_literal(name.encode(), text.encode()) for name, text in fields.items())
    return frame(HEADERS, END_HEADERS, stream, block)


def whole_call(stream: int, body: bytes, *, timeout: str = "") -> bytes:
    """A call with its one message; at most 16 KiB, the largest frame that a server must take."""
    return call_headers(stream, timeout=timeout) + frame(DATA, END_STREAM, stream, message(body))


def message(body: bytes) -> bytes:
    """A gRPC message, uncompressed."""
    return struct.pack("!BI", 0, len(body)) + body


def _literal(name: bytes, text: bytes) -> bytes:
    """A header without indexing or Huffman code (RFC 7541, section 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(text)]) + text


class RawConnection:
    """An HTTP/2 connection that sends what it is told and reads frames, and does nothing by itself."""

    def __init__(self, address: str, *, window: int | None = None) -> None:
        """Connects; with ``window`` the server may send that many bytes per stream until told more."""
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self._unread = b""
        self._frames: deque[tuple[int, int, int, bytes]] = deque()
        settings = b"" if window is None else struct.pack("!HI", _INITIAL_WINDOW_SIZE, window)
        self.send(PREFACE + frame(SETTINGS, payload=settings))

    def send(self, data: bytes) -> None:
        """Sends bytes."""
        self.socket.sendall(data)

    def settle(self) -> None:
        """Waits until the server has read all that was sent: it answers a ping after what came before it."""
        ping = b"settled?"
        self.send(frame(PING, 0, 0, ping))
        while (read := self._read_frame()) != (PING, ACK, 0, ping):
            self._frames.append(read)

    def more(self, count: int, stream: int = 1) -> None:
        """Lets the server send more bytes of a stream, and of all streams together."""
        grant = struct.pack("!I", count)
        self.send(frame(WINDOW_UPDATE, 0, stream, grant) + frame(WINDOW_UPDATE, 0, 0, grant))

    def next_frame(self) -> tuple[int, int, int, bytes]:
        """Kind, flags, stream and payload of the next frame; raises EOFError at the connection's end."""
        return self._frames.popleft() if self._frames else self._read_frame()

    def _read_frame(self) -> tuple[int, int, int, bytes]:
        head = self._read(9)
        kind, flags, stream = struct.unpack("!BBI", head[3:])
        return kind, flags, stream, self._read(int.from_bytes(head[:3], "big"))

    def until_end(self, stream: int = 1) -> tuple[bytes, bytes]:
        """Reads until a stream has ended: its data, and its last headers still encoded."""
        data, block = b"", b""
        while True:
            kind, flags, own, payload = self.next_frame()
            if kind in {SETTINGS, PING} and not flags & ACK:
                self.send(frame(kind, ACK, 0, payload if kind == PING else b""))
            if own != stream:
                continue
            if kind == DATA:
                data += payload
            if kind == HEADERS:
                block = payload
            if kind == RST_STREAM or (kind in {DATA, HEADERS} and flags & END_STREAM):
                return data, block

    def count_answers(self, calls: int) -> int:
        """Reads until that many calls have ended; how many of them had a message."""
        answered: set[int] = set()
        while calls:
            kind, flags, stream, payload = self.next_frame()
            if kind == DATA:
                answered.add(stream)
                # The window of the connection starts with 64 KiB, whatever a stream's is.
                self.send(frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", len(payload))))
            calls -= kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM)
        return len(answered)

    def abort(self) -> None:
        """Closes with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _read(self, count: int) -> bytes:
        while len(self._unread) < count:
            part = self.socket.recv(65536)
            if not part:
                raise EOFError
            self._unread += part
        wanted, self._unread = self._unread[:count], self._unread[count:]
        return wanted

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
