import pytest

from scoreline_registry.history.cache import Cache


def test_the_least_recently_used_goes_first() -> None:
    cache: Cache[str, str] = Cache(2)
    loaded: list[str] = []

    def get(key: str) -> str:
        def load() -> str:
            loaded.append(key)
            return key.upper()

        return cache.get(key, load)

    assert [get(key) for key in "abacab"] == list("ABACAB")
    assert loaded == ["a", "b", "c", "b"]


def test_a_failed_load_is_tried_again() -> None:
    cache: Cache[str, int] = Cache(2)

    def fail() -> int:
        raise OSError

    with pytest.raises(OSError):
        cache.get("a", fail)
    assert cache.get("a", lambda: 1) == 1
