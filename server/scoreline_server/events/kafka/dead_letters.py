"""Dead letters: messages that are no events, kept in a topic of their own or only in the log."""

from collections.abc import Sequence
from typing import Any

import structlog
from confluent_kafka import KafkaException, Producer

from scoreline_registry.profiles.events import EventError
from scoreline_server.events.kafka.consumer import KafkaError, Source
from scoreline_server.events.kafka.messages import Received

_log = structlog.get_logger()

_DELIVERY_SECONDS = 30.0


class LoggedLetters:
    """Writes one line of log for each step that has dead letters. Is a ``DeadLetters``."""

    def put(self, letters: Sequence[tuple[Received, EventError]]) -> None:
        """Logs how many there are, with the first of them."""
        message, error = letters[0]
        place = f"{message.topic}/{message.partition}/{message.offset}"
        _log.warning("messages are no events", count=len(letters), first=place, problem=str(error))


class TopicLetters:
    """Produces messages to a topic, as they were received, with their place and error in headers.

    Is a ``DeadLetters``. A consumer that is killed in between produces them again.
    """

    def __init__(self, source: Source, topic: str) -> None:
        """Raises KafkaError for settings that cannot be used."""
        options = {name: value for name, value in (source.options or {}).items() if not name.startswith("queued.")}
        settings: dict[str, Any] = {
            **options,
            "bootstrap.servers": source.brokers,
            "enable.idempotence": True,
            "message.max.bytes": 16 << 20,
            "delivery.timeout.ms": int(_DELIVERY_SECONDS * 1000),
        }
        self._topic = topic
        try:
            self._producer = Producer(settings)
        except (KafkaException, ValueError, TypeError) as error:
            raise KafkaError(f"the producer of dead letters cannot be made: {error}") from error

    def put(self, letters: Sequence[tuple[Received, EventError]]) -> None:
        """Produces all of them and waits until the brokers have them. Raises KafkaError."""
        failed: list[str] = []

        def on_delivery(error: Any, _message: Any) -> None:
            if error is not None:
                failed.append(error.str())

        try:
            for message, error in letters:
                self._producer.produce(
                    self._topic, message.value, message.key or None, headers=_headers(message, error),
                    on_delivery=on_delivery,
                )  # fmt: skip
            waiting = self._producer.flush(_DELIVERY_SECONDS)
        except (KafkaException, BufferError) as error:
            raise KafkaError(f"dead letters cannot be produced to {self._topic}: {error}") from error
        if failed or waiting:
            problem = failed[0] if failed else "the brokers do not answer"
            raise KafkaError(f"dead letters cannot be produced to {self._topic}: {problem}")


def _headers(message: Received, error: EventError) -> list[tuple[str, str | bytes | None]]:
    facts = {
        "scoreline.topic": message.topic,
        "scoreline.partition": str(message.partition),
        "scoreline.offset": str(message.offset),
        "scoreline.field": error.field,
        "scoreline.error": str(error),
    }
    return [(name, value.encode()) for name, value in facts.items()]
