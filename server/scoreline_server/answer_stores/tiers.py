"""Answers in memory first, then in a store that others share."""

from collections.abc import Mapping, Sequence

from scoreline_server.scoring.answer_cache import AnswerStore

_COPIED_SECONDS = 60
"""How long the first keeps what only the second had: answers never go stale, so that only saves round trips."""


class TieredAnswers:
    """An ``AnswerStore`` of two: what only the second has is copied to the first."""

    def __init__(self, near: AnswerStore, far: AnswerStore) -> None:
        self._near, self._far = near, far

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The answer of each key, None where neither has one."""
        found = self._near.get(keys)
        missing = [key for key, answer in zip(keys, found, strict=True) if answer is None]
        if not missing:
            return found
        answers = zip(missing, self._far.get(missing), strict=True)
        copied = {key: answer for key, answer in answers if answer is not None}
        if copied:
            self._near.put(copied, keep_seconds=_COPIED_SECONDS)
        return [copied.get(key) if answer is None else answer for key, answer in zip(keys, found, strict=True)]

    def put(self, answers: Mapping[bytes, bytes], *, keep_seconds: int) -> None:
        """Keeps answers in both."""
        self._near.put(answers, keep_seconds=keep_seconds)
        self._far.put(answers, keep_seconds=keep_seconds)
