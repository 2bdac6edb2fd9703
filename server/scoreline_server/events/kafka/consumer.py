"""Consumes events from Kafka: what is kept of them and how far they were read are written in one step.

The store holds the offsets, in the transaction of the events that come from before them. A consumer that takes over a
partition begins there, whatever Kafka believes, so a killed one loses no event. None counts twice: the store knows the
ids of events that may still be joined by others, and takes none from before those that are folded.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from scoreline_registry.errors import RegistryError
from scoreline_registry.profiles.events import Event, EventError
from scoreline_server.errors import DamagedEntitiesError, ProfileStoreError
from scoreline_server.events.kafka.messages import MessageReader, Received
from scoreline_server.events.live import LiveProfiles
from scoreline_server.events.recording import not_ahead, undamaged
from scoreline_server.profile_stores.store import Offset
from scoreline_server.scoring.compiled_profile import CompiledProfile

_log = structlog.get_logger()

BATCH = 1000
"""The most messages that are recorded in one step."""

_POLL_SECONDS = 0.2
_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class KafkaError(Exception):
    """Kafka cannot be used as it is set up; the text says how."""


class ConsumerCounting(Protocol):
    """The metrics of a consumer."""

    def consumed(self, topic: str, partition: int, *, lag: int) -> None:
        """Sets how many messages of a partition are still to be read."""

    def dead_lettered(self, topic: str, count: int) -> None:
        """Counts messages that are no events of the profile."""


class DeadLetters(Protocol):
    """Keeps messages that are no events."""

    def put(self, letters: Sequence[tuple[Received, EventError]]) -> None:
        """Keeps messages, each with its error. Returns once they are kept; raises KafkaError."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a consumer reads.

    Attributes:
        brokers: such as "kafka-1:9092,kafka-2:9092".
        topics: their names.
        group: consumers with one name share the partitions; the store keeps offsets under it.
        from_end: a partition without an offset in the store is read from its end, not from its beginning.
        options: other settings of librdkafka, such as those of TLS and SASL.
    """

    brokers: str
    topics: Sequence[str]
    group: str
    from_end: bool = False
    options: Mapping[str, str] | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the consumer; its memory is bounded by the two ``queued`` ones."""
        return {
            "queued.max.messages.kbytes": 16_384,
            "queued.min.messages": 10_000,
            **(self.options or {}),
            "bootstrap.servers": self.brokers,
            "group.id": self.group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "latest" if self.from_end else "earliest",
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "cooperative-sticky",
        }


class KafkaConsumer:
    """Records the events of some topics. For one thread."""

    def __init__(
        self,
        source: Source,
        profiles: LiveProfiles,
        profile: str,
        reader: Callable[[CompiledProfile], MessageReader],
        *,
        dead_letters: DeadLetters,
        counting: ConsumerCounting,
        on_recorded: Callable[[int], None] = lambda _: None,
    ) -> None:
        """``reader`` makes the reader of a profile, again when its definition has changed.

        ``on_recorded`` gets the number of messages of each step. Raises KafkaError for settings that cannot be used,
        and NotFoundError for a profile that the registry does not have.
        """
        self._source, self._profiles, self._new_reader = source, profiles, reader
        self._profile = profiles.definitions.require(profile)
        self._reader = reader(self._profile)
        self._stop = threading.Event()
        self._dead_letters, self._counting, self._on_recorded = dead_letters, counting, on_recorded
        try:
            self._consumer = Consumer(source.settings, logger=None)
        except (KafkaException, ValueError, TypeError) as error:
            raise KafkaError(f"the consumer cannot be made: {_text(error)}") from error

    def run(self, stop: threading.Event) -> None:
        """Consumes until ``stop`` is set. Raises KafkaError for what another try cannot mend."""
        self._stop = stop
        self._consumer.subscribe(
            list(self._source.topics), on_assign=self._assign, on_revoke=self._leave, on_lost=self._leave
        )
        try:
            while not stop.is_set():
                messages = self._received(self._consumer.consume(BATCH, _POLL_SECONDS))
                if messages:
                    self._refresh()
                    self._record(messages)
        finally:
            self._consumer.close()

    def _refresh(self) -> None:
        """Takes the profile as it is now; an unreachable registry leaves it as it was."""
        try:
            profile = self._profiles.definitions.require(self._profile.name)
        except RegistryError as error:
            _log.warning("the profile cannot be read again", profile=self._profile.name, problem=str(error))
            return
        if profile is not self._profile:
            self._profile, self._reader = profile, self._new_reader(profile)

    def _received(self, messages: Sequence[Any]) -> list[Received]:
        """The messages without the notices between them. Raises KafkaError for one that no other try can mend."""
        found = []
        for message in messages:
            if (error := message.error()) is not None:
                self._notice(error)
                continue
            kind, timestamp = message.timestamp()
            key, value = message.key() or b"", message.value() or b""
            found.append(
                Received(message.topic(), message.partition(), message.offset(), key, value, timestamp if kind else -1)
            )
        return found

    def _notice(self, error: Any) -> None:
        if error.fatal() or error.name() in {"TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED"}:
            raise KafkaError(f"consuming failed: {error.str()}")
        _log.warning("consuming is held up", problem=error.str())

    def _record(self, messages: Sequence[Received]) -> None:
        """Records messages and how far they reach; again and again while the store or the dead letters fail."""
        now, future = self._profiles.now(), self._profile.future
        self._keep(messages, [not_ahead(self._reader.event(message), now, future) for message in messages])

    def _keep(self, messages: Sequence[Received], events: Sequence[Event | EventError]) -> None:
        """Records events once the others are dead letters; those of damaged entities then become such letters too."""
        dead = [
            (message, event) for message, event in zip(messages, events, strict=True) if not isinstance(event, Event)
        ]
        offsets = [
            Offset(self._source.group, topic, partition, following)
            for (topic, partition), following in _following(messages).items()
        ]
        if dead and not self._persist(lambda: self._dead_letters.put(dead)):
            return
        try:
            kept = self._persist(lambda: self._profiles.record(self._profile, events, offsets=offsets))
        except DamagedEntitiesError as error:
            _log.error("events of damaged entities become dead letters", problem=str(error))
            self._keep(messages, [undamaged(event, error) for event in events])
            return
        if kept:
            self._note(messages, len(dead), offsets)

    def _persist(self, step: Callable[[], object]) -> bool:
        """Tries a step until it succeeds; False where the consumer is to stop before that."""
        tries = 0
        while True:
            try:
                step()
            except DamagedEntitiesError:
                raise
            except (ProfileStoreError, KafkaError) as error:
                _log.warning("events wait, because they cannot be kept", problem=str(error))
                if self._stop.wait(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)]):
                    return False
                tries += 1
            else:
                return True

    def _note(self, messages: Sequence[Received], dead: int, offsets: Sequence[Offset]) -> None:
        """Counts, and tells Kafka the offsets for those who look at lag there; nothing depends on that."""
        if dead:
            self._counting.dead_lettered(messages[0].topic, dead)
        for each in offsets:
            _, high = self._consumer.get_watermark_offsets(TopicPartition(each.topic, each.partition), cached=True)
            self._counting.consumed(each.topic, each.partition, lag=max(0, high - each.next))
        try:
            places = [TopicPartition(each.topic, each.partition, each.next) for each in offsets]
            self._consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as error:
            _log.info("offsets are not shown in Kafka", problem=_text(error))
        self._on_recorded(len(messages))

    def _assign(self, consumer: Any, partitions: Sequence[Any]) -> None:
        """Begins each partition where the store says that it was read up to."""
        known: dict[tuple[str, int], int] = {}
        if not self._persist(lambda: known.update(self._profiles.store.offsets(self._source.group))):
            return
        first = OFFSET_END if self._source.from_end else OFFSET_BEGINNING
        for each in partitions:
            each.offset = known.get((each.topic, each.partition), first)
        consumer.incremental_assign(partitions)
        _log.info("partitions assigned", partitions=[f"{each.topic}/{each.partition}" for each in partitions])

    def _leave(self, consumer: Any, partitions: Sequence[Any]) -> None:
        """Gives partitions up; all that was read of them is recorded, as this is called between two steps."""
        consumer.incremental_unassign(partitions)
        _log.info("partitions given up", partitions=[f"{each.topic}/{each.partition}" for each in partitions])


def _following(messages: Sequence[Received]) -> Mapping[tuple[str, int], int]:
    """The offset after the last message of each partition."""
    return {(message.topic, message.partition): message.offset + 1 for message in messages}


def _text(error: BaseException) -> str:
    first = error.args[0] if error.args else error
    return first.str() if hasattr(first, "str") else str(first)
