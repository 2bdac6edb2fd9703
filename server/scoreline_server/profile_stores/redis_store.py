"""The store for several hosts: a Redis or Valkey server. It needs the extra ``redis``."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgpack

from scoreline_registry.profiles.events import Event
from scoreline_server.databases.redis_server import Part, RedisServer
from scoreline_server.errors import DamagedEntitiesError
from scoreline_server.profile_stores.kind import PROFILES
from scoreline_server.profile_stores.packing import pack_event, unpack_events
from scoreline_server.profile_stores.store import Fold, Offset, Receipt, Stats, Stored

_PAGE = 1000
"""Entities that a script looks at, or whose ids are read, at once."""

_FOLDER = Path(__file__).with_name("redis_scripts")
_NAMES = ("append", "read", "crowded", "fold", "expire", "stats")
_SCRIPTS = {
    name: "".join((_FOLDER / f"{each}.lua").read_text(encoding="utf-8") for each in ("entities", name))
    for name in _NAMES
}


class RedisStore:
    """Keeps profiles in one Redis or Valkey server, version 6 or newer. Nothing is connected before the first call.

    What is acknowledged is as durable as the server makes it: with ``appendonly yes`` and ``appendfsync always``
    nothing is lost, and any other setting is logged as a warning at the first call. A cluster is refused, because the
    entities of a call and its offsets must change in one step. Times are exact until the year 2255.

    Where a connection is lost the call is sent again, once. An event that was kept by the first attempt then has the
    receipt REPEATED.

    Args:
        url: ``redis://HOST:PORT/DB``, ``rediss://`` for TLS, or ``unix://PATH``.
        read_seconds: how long ``read`` may wait for the server.
        write_seconds: how long everything else may.
    """

    def __init__(self, url: str, *, read_seconds: float = 5.0, write_seconds: float = 5.0) -> None:
        self._server = RedisServer(url, PROFILES, _SCRIPTS, read_seconds=read_seconds, write_seconds=write_seconds)

    def append(
        self, profile: str, events: Sequence[Event], *, lateness: int, offsets: Sequence[Offset] = ()
    ) -> list[Receipt]:
        """Keeps events and offsets by one script."""
        groups: dict[str, list[int]] = {}
        for place, event in enumerate(events):
            groups.setdefault(event.entity, []).append(place)
        keys = [_entities(profile), _counts(profile), *(_consumer(each.consumer) for each in offsets)]
        args: list[Part] = [lateness, len(offsets)]
        for offset in offsets:
            args += _field(offset.topic, offset.partition), offset.next
        for entity, places in groups.items():
            keys.append(_entity(profile, entity))
            args += entity, len(places)
            for place in places:
                event = events[place]
                args += event.id, event.time, pack_event(event)
        receipts = self._server.run("append", keys, args)
        if isinstance(receipts, list):
            entities = list(groups)
            raise DamagedEntitiesError([entities[place - 1] for place in receipts])
        order = [place for places in groups.values() for place in places]
        return [_RECEIPTS[digit] for _, digit in sorted(zip(order, receipts, strict=True))]

    def read(self, profile: str, entities: Sequence[str]) -> dict[str, Stored]:
        """What is stored of entities, in one round trip; one that is not there is left out."""
        keys = [_entity(profile, entity) for entity in entities]
        found = self._server.read("read", keys)
        rows = zip(entities, found[::3], found[1::3], found[2::3], strict=True)
        return {entity: _stored(entity, *row) for entity, *row in rows if row[0] is not None}

    def crowded(self, profile: str, entities: Sequence[str], *, more_than: int) -> list[str]:
        """Those of the entities with more pending events than that."""
        keys = [_entity(profile, entity) for entity in entities]
        return [entities[place - 1] for place in self._server.run("crowded", keys, [more_than])]

    def fold(self, profile: str, folds: Sequence[Fold]) -> int:
        """Replaces states and drops the pending events that are in them, by one script; how many folds were taken."""
        keys = [_entities(profile), *(_entity(profile, fold.entity) for fold in folds)]
        args: list[Part] = []
        for fold in folds:
            args += fold.entity, fold.version, fold.events, *fold.folded_until, fold.folded
        return int(self._server.run("fold", keys, args))

    def entities(self, profile: str, *, after: str = "") -> Iterator[str]:
        """The ids of all entities in order of their code points, from the first after ``after``."""
        while page := self._page(profile, after):
            yield from page
            after = page[-1]

    def forget(self, profile: str, entity: str) -> bool:
        """Removes all that is stored of an entity; whether there was anything.

        Its memory is free at once. The server's own files, the log of writes and snapshots, hold it until the server
        writes them anew: by itself as the log grows, or at BGREWRITEAOF and BGSAVE. So do replicas and backups.
        """
        with self._server.writing() as client:
            pipeline = client.pipeline(transaction=True)
            pipeline.delete(_entity(profile, entity))
            pipeline.zrem(_entities(profile), entity)
            removed, _ = pipeline.execute()
        return bool(removed)

    def expire(self, profile: str, *, before: int) -> int:
        """Removes entities whose newest event is older than that; how many."""
        removed, after = 0, ""
        while page := self._page(profile, after):
            keys = [_entities(profile), *(_entity(profile, entity) for entity in page)]
            removed += int(self._server.run("expire", keys, [before, *page]))
            after = page[-1]
        return removed

    def clear(self, profile: str) -> None:
        """Removes all entities of a profile and its counts; offsets of consumers stay."""
        while page := self._page(profile, ""):
            with self._server.writing() as client:
                pipeline = client.pipeline(transaction=True)
                pipeline.unlink(*(_entity(profile, entity) for entity in page))
                pipeline.zrem(_entities(profile), *page)
                pipeline.execute()
        with self._server.writing() as client:
            client.delete(_counts(profile))

    def offsets(self, consumer: str) -> Mapping[tuple[str, int], int]:
        """The next offset of each topic and partition that a consumer has read."""
        with self._server.writing() as client:
            found = client.hgetall(_consumer(consumer))
        return {_topic(_text(field)): int(following) for field, following in found.items()}

    def stats(self, profile: str) -> Stats:
        """How much is stored. Looks at every entity: not for each scrape of metrics."""
        entities = pending = size = 0
        after = ""
        while page := self._page(profile, after):
            more, their_size = self._server.run("stats", [_entity(profile, entity) for entity in page], [])
            entities += len(page)
            pending += more
            size += their_size + sum(len(entity.encode()) for entity in page)
            after = page[-1]
        with self._server.writing() as client:
            late, repeated = client.hmget(_counts(profile), "late", "repeated")
        return Stats(entities, pending, size, int(late or 0), int(repeated or 0))

    def close(self) -> None:
        """Closes the connections."""
        self._server.close()

    def _page(self, profile: str, after: str) -> list[str]:
        start = f"({after}" if after else "-"
        with self._server.writing() as client:
            found = client.zrangebylex(_entities(profile), start, "+", start=0, num=_PAGE)
        return [_text(entity) for entity in found]


_RECEIPTS = {ord(str(receipt.value)): receipt for receipt in Receipt}


def _entities(profile: str) -> str:
    return f"scoreline:profile:{profile}:entities"


def _counts(profile: str) -> str:
    return f"scoreline:profile:{profile}:counts"


def _entity(profile: str, entity: str) -> str:
    return f"scoreline:profile:{profile}:entity:{entity}"


def _consumer(consumer: str) -> str:
    return f"scoreline:consumer:{consumer}"


def _field(topic: str, partition: int) -> str:
    return f"{partition}:{topic}"


def _topic(field: str) -> tuple[str, int]:
    partition, _, topic = field.partition(":")
    return topic, int(partition)


def _text(answer: bytes | str) -> str:
    return answer.decode() if isinstance(answer, bytes) else answer


def _facts(packed: bytes) -> tuple[int, int, str, int, int]:
    """Newest time, time and id of the last folded event, version, number of pending events."""
    newest, time, event_id, version, count = msgpack.unpackb(packed)
    return newest, time, event_id, version, count


def _stored(entity: str, packed: bytes, pending: bytes | None, folded: bytes | None) -> Stored:
    newest, time, event_id, version, count = _facts(packed)
    return Stored(folded or b"", (time, event_id), newest, unpack_events(entity, pending or b"", count), version)
