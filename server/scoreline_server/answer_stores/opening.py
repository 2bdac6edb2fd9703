"""Opens the stores of answers that the settings name."""

from typing import TYPE_CHECKING

from scoreline_server.answer_stores.memory import MemoryAnswers
from scoreline_server.answer_stores.tiers import TieredAnswers
from scoreline_server.errors import StartError
from scoreline_server.scoring.answer_cache import AnswerCaching, AnswerStore, CountAnswers
from scoreline_server.settings import Settings

if TYPE_CHECKING:
    from scoreline_server.answer_stores.redis_answers import RedisAnswers


class Answers:
    """The stores of answers of one process. Nothing is connected before ``start``."""

    def __init__(self, settings: Settings) -> None:
        """Raises StartError for a wrong address of Redis, and where its library is missing."""
        url, seconds = settings.answer_cache_url, settings.answer_cache_read_seconds
        self._memory = MemoryAnswers(settings.answer_cache_bytes) if settings.answer_cache_bytes else None
        self._redis = _redis_answers(url, seconds) if url else None

    @property
    def _store(self) -> AnswerStore | None:
        if self._memory is not None and self._redis is not None:
            return TieredAnswers(self._memory, self._redis)
        return self._memory or self._redis

    def caching(self, *, counting: CountAnswers) -> AnswerCaching | None:
        """The cache of answers; None where the settings turn it off."""
        store = self._store
        return None if store is None else AnswerCaching(store, counting=counting, waits=self._redis is not None)

    def start(self) -> None:
        """Connects."""
        if self._redis is not None:
            self._redis.start()

    def close(self, timeout_seconds: float) -> bool:
        """Drops what is not written yet; False where that takes longer."""
        return self._redis is None or self._redis.close(timeout_seconds)


def _redis_answers(url: str, read_seconds: float) -> "RedisAnswers":
    try:
        from scoreline_server.answer_stores.redis_answers import RedisAnswers
    except ModuleNotFoundError as error:
        raise StartError("answer_cache_url needs the extra redis: pip install 'scoreline[redis]'") from error
    return RedisAnswers(url, read_seconds=read_seconds)
