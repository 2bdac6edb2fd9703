"""A cluster of librdkafka's own mock brokers in this process, and messages for it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Producer


class Cluster:
    """Mock brokers that speak Kafka's protocol on loopback; every topic has four partitions."""

    def __init__(self, producer: Producer, brokers: str) -> None:
        self._producer, self.brokers = producer, brokers

    def send(self, topic: str, messages: Sequence[object], *, key: str = "", partition: int = -1) -> None:
        """Produces messages, objects as JSON and bytes as they are, and waits until they are there."""
        for message in messages:
            value = message if isinstance(message, bytes) else json.dumps(message).encode()
            place: dict[str, Any] = {} if partition < 0 else {"partition": partition}
            self._producer.produce(topic, value, key or None, **place)
            self._producer.poll(0)
        assert self._producer.flush(60) == 0


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster that lives as long as the block."""
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "ignored", "log_level": 0})
    brokers = producer.list_topics(timeout=60).brokers.values()
    yield Cluster(producer, ",".join(f"{each.host}:{each.port}" for each in brokers))


def purchase(entity: str, number: int, second: int, amount: float = 1.0) -> dict[str, Any]:
    """The message of a purchase, in October 2026."""
    minutes, seconds = divmod(second, 60)
    hours, minutes = divmod(minutes, 60)
    return {
        "entity_id": entity, "id": f"p-{number}", "time": f"2026-10-01T{hours:02}:{minutes:02}:{seconds:02}Z",
        "type": "purchase", "amount": amount, "category": "food",
    }  # fmt: skip
