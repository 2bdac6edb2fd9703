"""Records the metrics of a process that consumes events."""

from scoreline_server.metrics import definitions
from scoreline_server.metrics.recorder import Metrics


class ConsumerMetrics(Metrics):
    """The metrics of one consumer, beside those of the events that it records."""

    def consumed(self, topic: str, partition: int, *, lag: int) -> None:
        """Sets how many messages of a partition are still to be read."""
        with self._lock:
            self._set(definitions.CONSUMER_LAG, (topic, str(partition)), lag)

    def dead_lettered(self, topic: str, count: int) -> None:
        """Counts messages that are no events of the profile."""
        with self._lock:
            self._add(definitions.CONSUMER_DEAD_LETTERS, (topic,), count)
