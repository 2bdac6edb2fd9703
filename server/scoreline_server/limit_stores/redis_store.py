"""The store for several hosts: a Redis or Valkey server. It needs the extra ``redis``."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgpack

from scoreline_registry.decisions.reservations import Check, Claim, Counter, Grant, Mark, Refusal, Reservation, Usage
from scoreline_server.databases.redis_server import RedisServer
from scoreline_server.errors import LimitStoreError
from scoreline_server.limit_stores.kind import LIMITS
from scoreline_server.limit_stores.store import GRACE_US, REPEATABLE_US, Stats, request_digest

_Packed: TypeAlias = list[Any]

_FOLDER = Path(__file__).with_name("redis_scripts")
_SCRIPTS = {
    name: "".join((_FOLDER / f"{each}.lua").read_text(encoding="utf-8") for each in ("counters", name))
    for name in ("reserve", "release", "note")
}
_PREFIX = "scoreline:limits:"
_NEVER, _ANY, _TOTAL = -1, -1, 0
_SCANNED = 1000
"""Keys that are looked at at once."""


class RedisLimits:
    """Counts actions in one Redis or Valkey server, version 6 or newer. Nothing is connected before the first call.

    A call is one script, and one round trip. What is granted is as durable as the server makes it: with ``appendonly
    yes`` and ``appendfsync always`` nothing is lost, and any other setting is logged as a warning at the first call.
    What has ended expires by itself. A cluster is refused, because the counters of a call must change in one step.

    Where a connection is lost the call is sent again, once; what has no request may be counted twice then.

    Args:
        url: ``redis://HOST:PORT/DB``, ``rediss://`` for TLS, or ``unix://PATH``.
        seconds: how long a call may wait for the server.
    """

    def __init__(self, url: str, *, seconds: float = 5.0) -> None:
        self._server = RedisServer(url, LIMITS, _SCRIPTS, read_seconds=seconds, write_seconds=seconds)

    def reserve(self, reservations: Sequence[Reservation], now_us: int) -> list[Grant]:
        """Grants each the first action all of whose checks hold, and counts it, by one script."""
        if not reservations:
            return []
        answers = _unpacked(self._run("reserve", reservations, now_us))
        return [_grant(*answer) for answer in answers]

    def release(self, reservations: Sequence[Reservation], now_us: int) -> int:
        """Takes back what was granted to requests that are not answered; how many grants were taken back."""
        return int(self._run("release", reservations, now_us)) if reservations else 0

    def note(self, marks: Sequence[Mark], now_us: int) -> None:
        """Notes marks in their windows. One that is there, or has ended, changes nothing."""
        if marks:
            places = _Places(mark.counter for mark in marks)
            packed = [(places.number(mark.counter), mark.time_us, mark.span_us) for mark in marks]
            self._server.run("note", places.keys, [_input(places, now_us, marks=packed)])

    def read(self, counters: Sequence[Counter]) -> list[Usage]:
        """What counters hold, in order; nothing was counted where one is not there. Changes nothing."""
        with self._server.writing() as client:
            pipeline = client.pipeline(transaction=False)
            for counter in counters:
                pipeline.hget(_key(counter), _field(counter))
            found = pipeline.execute()
        return [_usage(packed) for packed in found]

    def forget(self, unit: str) -> bool:
        """Removes all that is counted of a unit; whether there was anything.

        Its memory is free at once. The server's own files, the log of writes and snapshots, hold it until the server
        writes them anew: by itself as the log grows, or at BGREWRITEAOF and BGSAVE. So do replicas and backups.
        """
        if not unit:
            return False
        with self._server.writing() as client:
            return bool(client.delete(_key(Counter("", unit))))

    def stats(self) -> Stats:
        """How much is stored. Looks at everything: not for each scrape of metrics."""
        counters = requests = 0
        with self._server.writing() as client:
            requests = sum(1 for _ in client.scan_iter(f"{_PREFIX}request:*", count=_SCANNED))
            for kind in ("unit", "counter"):
                for key in client.scan_iter(f"{_PREFIX}{kind}:*", count=_SCANNED):
                    # One field holds no counter; a key may have ended since it was found.
                    counters += max(0, int(client.hlen(key)) - 1)
        return Stats(counters, requests)

    def close(self) -> None:
        """Closes the connections."""
        self._server.close()

    def _run(self, script: str, reservations: Sequence[Reservation], now_us: int) -> Any:
        places = _Places(check.counter for each in reservations for check in each.checks)
        requests = [request for request in dict.fromkeys(each.request for each in reservations) if request]
        keys = places.keys + [f"{_PREFIX}request:{request_digest(request).hex()}" for request in requests]
        numbers = {request: number for number, request in enumerate(requests, len(places.keys) + 1)}
        packed = [
            (numbers.get(each.request, 0), _claims(each.claims, places), _claims(each.others, places))
            for each in reservations
        ]
        return self._server.run(script, keys, [_input(places, now_us, reservations=packed)])


class _Places:
    """Where counters are kept: their keys, and the key and field of each, all numbered from 1."""

    def __init__(self, counters: Iterable[Counter]) -> None:
        self._numbers = {counter: number for number, counter in enumerate(dict.fromkeys(counters), 1)}
        self.keys = list(dict.fromkeys(_key(counter) for counter in self._numbers))
        key_numbers = {key: number for number, key in enumerate(self.keys, 1)}
        self.packed = [(key_numbers[_key(counter)], _field(counter)) for counter in self._numbers]

    def number(self, counter: Counter) -> int:
        return self._numbers[counter]


def _input(places: _Places, now_us: int, **rest: _Packed) -> bytes:
    facts = {"now": now_us, "grace": GRACE_US, "repeatable": REPEATABLE_US, "places": places.packed}
    packed: bytes = msgpack.packb(facts | rest)
    return packed


def _claims(claims: Sequence[Claim], places: _Places) -> _Packed:
    return [(claim.action, [_check(check, places) for check in claim.checks]) for claim in claims]


def _check(check: Check, places: _Places) -> tuple[int, int, int, int, int, str]:
    at_most = _ANY if check.at_most is None else check.at_most
    ends = _NEVER if check.ends_us is None else check.ends_us
    return places.number(check.counter), at_most, check.amount, check.span_us or _TOTAL, ends, check.limit


def _key(counter: Counter) -> str:
    if counter.unit:
        return f"{_PREFIX}unit:{counter.unit}"
    return f"{_PREFIX}counter:{_field(counter)}"


def _field(counter: Counter) -> str:
    """Name and bucket; no other counter has the same."""
    return f"{len(counter.name)}:{counter.name}{counter.bucket}"


def _grant(kind: int, action: str, others_refused: Sequence[str], *refused: str) -> Grant:
    refusals = tuple(Refusal(*pair) for pair in zip(refused[::2], refused[1::2], strict=True))
    return Grant(action if kind else None, refusals, kind == 2, tuple(others_refused))


def _usage(packed: bytes | None) -> Usage:
    if packed is None:
        return Usage()
    total, _span, _depth, _ends, *times = _unpacked(packed)
    return Usage(total, tuple(times))


def _unpacked(packed: bytes) -> list[Any]:
    try:
        return list(msgpack.unpackb(packed))
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
        raise LimitStoreError(f"what Redis keeps of limits is damaged: {error}") from error
