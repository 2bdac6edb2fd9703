from functools import partial

import pytest

from scoreline_registry.history.cache import Cache, memory_of


def loaded(value: int, size: int) -> tuple[int, int]:
    return value, size


def test_the_least_recently_used_goes_first() -> None:
    cache: Cache[str, str] = Cache(2 * memory_of(1))
    loads: list[str] = []

    def get(key: str) -> str:
        def load() -> tuple[str, int]:
            loads.append(key)
            return key.upper(), 1

        return cache.get(key, load)

    assert [get(key) for key in "abacab"] == list("ABACAB")
    assert loads == ["a", "b", "c", "b"]


def test_what_is_kept_is_limited_in_memory_and_not_in_number() -> None:
    cache: Cache[int, int] = Cache(50 * memory_of(1000))
    for number in range(50):
        cache.get(number, partial(loaded, number, 1000))
    assert cache.bytes == 50 * memory_of(1000)
    cache.get(50, lambda: (50, 30_000))
    assert cache.bytes <= 50 * memory_of(1000)
    assert cache.get(0, lambda: (-1, 1)) == -1
    assert cache.get(49, lambda: (-1, 1)) == 49


def test_a_value_over_the_limit_is_given_and_not_kept() -> None:
    cache: Cache[str, int] = Cache(memory_of(10))
    cache.get("small", lambda: (1, 10))
    assert [cache.get("large", partial(loaded, number, 11)) for number in (1, 2)] == [1, 2]
    assert cache.get("small", lambda: (2, 10)) == 1


def test_what_is_not_reached_any_more_is_forgotten() -> None:
    cache: Cache[str, int] = Cache(3 * memory_of(2))
    for key in "abc":
        cache.get(key, lambda: (1, 2))
    cache.keep({"b", "d"})
    assert cache.bytes == memory_of(2)
    assert [cache.get(key, lambda: (2, 2)) for key in "abc"] == [2, 1, 2]


def test_a_failed_load_is_tried_again() -> None:
    cache: Cache[str, int] = Cache(memory_of(1))

    def fail() -> tuple[int, int]:
        raise OSError

    with pytest.raises(OSError):
        cache.get("a", fail)
    assert cache.get("a", lambda: (1, 1)) == 1
