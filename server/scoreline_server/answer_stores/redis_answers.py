"""Answers in a Redis or Valkey server, which several workers and hosts share. It needs the extra ``redis``.

A server that cannot be reached costs at most one wait: it is then left alone, and a thread beside the scoring ones asks
for it until it answers. Answers are written by that thread too, so that no caller waits for it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from scoreline_server.background_queue import BackgroundQueue
from scoreline_server.errors import StartError

_log = structlog.get_logger()

_PREFIX = b"scoreline:answer:"
_QUEUE_BYTES = 16 * 1024 * 1024
_GATHER_SECONDS = 0.005
_LOOK_SECONDS = 1.0
_CONNECT_SECONDS = 1.0
_WRITE_SECONDS = 5.0


class _Written(NamedTuple):
    answers: Mapping[bytes, bytes]
    keep_seconds: int


class RedisAnswers:
    """An ``AnswerStore`` of a server. It is empty until ``start`` has reached the server."""

    def __init__(self, url: str, *, read_seconds: float) -> None:
        """``read_seconds`` is how long a look may take. Raises StartError for a wrong address."""
        self._readers, self._writers = _client(url, read_seconds), _client(url, _WRITE_SECONDS)
        self._is_up = False
        self._queue: BackgroundQueue[_Written] = BackgroundQueue(
            "answers",
            self._work,
            capacity=_QUEUE_BYTES,
            on_drop=lambda _: None,
            gather_seconds=_GATHER_SECONDS,
            idle_seconds=_LOOK_SECONDS,
        )

    @property
    def is_up(self) -> bool:
        """Whether the server answered last."""
        return self._is_up

    def start(self) -> None:
        """Begins to look for the server."""
        self._queue.start()
        self._queue.put(_Written({}, 1), 0)

    def close(self, timeout_seconds: float | None = None) -> bool:
        """Ends the thread and closes the connections; False when that takes longer."""
        ended = self._queue.close(timeout_seconds)
        self._readers.close()
        self._writers.close()
        return ended

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The answer of each key in one round trip, None where there is none or the server does not answer in time."""
        if not self._is_up:
            return [None] * len(keys)
        try:
            found = self._readers.mget([_PREFIX + key for key in keys])
        except Exception as error:  # noqa: BLE001  whatever it raises, rows are scored without it
            self._lost(error)
            return [None] * len(keys)
        return [answer if isinstance(answer, bytes) else None for answer in found]

    def put(self, answers: Mapping[bytes, bytes], *, keep_seconds: int) -> None:
        """Queues answers to be written; without a server they are dropped."""
        if self._is_up:
            self._queue.put(_Written(answers, keep_seconds), sum(len(key) + len(answers[key]) for key in answers))

    def _work(self) -> None:
        """Writes what is queued, or looks whether the server is there again."""
        written = self._queue.take()
        try:
            if not self._is_up:
                self._writers.ping()
                self._is_up = True
                _log.info("the Redis of the cache of answers answers")
                return
            pipeline = self._writers.pipeline(transaction=False)
            for each in written:
                for key, answer in each.answers.items():
                    pipeline.set(_PREFIX + key, answer, ex=each.keep_seconds)
            pipeline.execute()
        except Exception as error:  # noqa: BLE001  whatever it raises, rows are scored without it
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        if self._is_up:
            _log.warning("the Redis of the cache of answers is left alone until it answers", problem=str(error)[:500])
        self._is_up = False


def _client(url: str, seconds: float) -> "redis.Redis":
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=seconds,
            socket_connect_timeout=min(seconds, _CONNECT_SECONDS),
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
    except (ValueError, TypeError) as error:
        raise StartError(f"answer_cache_url: wrong address: {error}") from error
