"""Random numbers of decisions."""

from statistics import fmean

from scoreline_registry.decisions.deciding.randomness import KeyedRandom


def test_numbers_depend_on_salt_and_decision_alone() -> None:
    one = KeyedRandom("salt").numbers("d1", 20)
    assert KeyedRandom("salt").numbers("d1", 20) == one
    assert KeyedRandom("salt").numbers("d1", 3) == one[:3]
    assert KeyedRandom("other").numbers("d1", 20) != one
    assert KeyedRandom("salt").numbers("d2", 20) != one
    assert len(set(one)) == 20


def test_numbers_stay_the_same_from_release_to_release() -> None:
    assert KeyedRandom("salt").numbers("d1", 2) == [0.505594833797978, 0.054217170715070595]


def test_numbers_are_uniform() -> None:
    random = KeyedRandom("salt")
    numbers = [number for place in range(2000) for number in random.numbers(f"d{place}", 5)]
    assert min(numbers) > 0
    assert max(numbers) < 1
    assert abs(fmean(numbers) - 0.5) < 0.01
    assert abs(fmean(number**2 for number in numbers) - 1 / 3) < 0.01
