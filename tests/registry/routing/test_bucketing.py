import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline_registry.routing.bucketing import (
    WHOLE,
    BucketRange,
    UnitHasher,
    bucket,
    least_movement,
    millionths,
    partition_error,
    percent,
    share,
)

VECTORS = json.loads((Path(__file__).parent / "golden" / "bucketing.json").read_text())["vectors"]
ARMS = ("a@1", "b@1", "c@1", "d@1")


def weights_of(parts: list[int]) -> dict[str, Decimal]:
    """Weights of the four arms in ten thousandths of a percent that total 100; arms at -1 are left out."""
    present = {arm: part for arm, part in zip(ARMS, parts, strict=True) if part >= 0}
    if not present:
        return {ARMS[0]: Decimal(100)}
    scaled = {arm: part * WHOLE // (sum(present.values()) or 1) for arm, part in present.items()}
    first = next(iter(scaled))
    scaled[first] += WHOLE - sum(scaled.values())
    return {arm: Decimal(part) / 10_000 for arm, part in scaled.items()}


weightings = st.lists(st.integers(-1, 1000), min_size=4, max_size=4).map(weights_of)


def owner(ranges: dict[str, tuple[BucketRange, ...]], point: int) -> str:
    (found,) = [arm for arm, parts in ranges.items() if any(part.start <= point < part.end for part in parts)]
    return found


@pytest.mark.parametrize("vector", VECTORS)
def test_buckets_are_what_every_language_must_get(vector: dict[str, object]) -> None:
    salt, unit = str(vector["salt"]), str(vector["unit"])
    assert bucket(salt, unit) == vector["bucket"]
    assert bucket(salt, unit) * 2**53 == vector["numerator"]


@given(st.text(alphabet=st.characters(codec="utf-8")), st.lists(st.text(alphabet=st.characters(codec="utf-8"))))
def test_many_units_get_the_buckets_they_get_alone(salt: str, units: list[str]) -> None:
    buckets = UnitHasher(salt).buckets(units)
    assert buckets == [bucket(salt, unit) for unit in units]
    assert all(0 <= value < 1 for value in buckets)


def test_buckets_are_spread_evenly() -> None:
    counts = [0] * 50
    for value in UnitHasher("spread").buckets(f"customer-{number}" for number in range(50_000)):
        counts[int(value * 50)] += 1
    chi_square = sum((count - 1000) ** 2 / 1000 for count in counts)
    assert chi_square < 94.0  # 49 degrees of freedom: exceeded by chance once in 10,000 salts


def test_salts_are_independent() -> None:
    units = [f"customer-{number}" for number in range(20_000)]
    pairs = zip(UnitHasher("credit").buckets(units), UnitHasher("credit/holdout").buckets(units), strict=True)
    both = sum(left < 0.5 and right < 0.5 for left, right in pairs)
    assert abs(both - 5000) < 4 * (20_000 * 0.25 * 0.75) ** 0.5


@given(weightings)
def test_first_ranges_are_the_weights_in_order(weights: dict[str, Decimal]) -> None:
    ranges = least_movement({}, weights)
    assert list(ranges) == list(weights)
    assert {arm: share(parts) for arm, parts in ranges.items()} == {arm: millionths(w) for arm, w in weights.items()}
    assert partition_error(ranges.values()) is None
    starts = [parts[0].start for parts in ranges.values() if parts]
    assert starts == sorted(starts)


@given(st.lists(weightings, min_size=2, max_size=6))
def test_no_unit_changes_arm_unless_its_arm_shrank(steps: list[dict[str, Decimal]]) -> None:
    ranges: dict[str, tuple[BucketRange, ...]] = {}
    for weights in steps:
        new = least_movement(ranges, weights)
        assert partition_error(new.values()) is None
        assert {arm: share(parts) for arm, parts in new.items()} == {arm: millionths(w) for arm, w in weights.items()}
        edges = sorted({part.start for parts in (*ranges.values(), *new.values()) for part in parts})
        moved = 0
        for start, end in zip(edges, [*edges[1:], WHOLE], strict=True):
            if ranges and owner(ranges, start) != owner(new, start):
                moved += end - start
                arm = owner(ranges, start)
                assert share(new.get(arm, ())) < share(ranges[arm])
        shrunk = sum(max(0, share(parts) - share(new.get(arm, ()))) for arm, parts in ranges.items())
        assert moved == shrunk
        ranges = new


def test_a_ramp_keeps_what_the_newcomer_has() -> None:
    first = least_movement({}, {"old": Decimal(99), "new": Decimal(1)})
    second = least_movement(first, {"old": Decimal(90), "new": Decimal(10)})
    assert second == {"old": (BucketRange(0, 900_000),), "new": (BucketRange(900_000, 1_000_000),)}
    back = least_movement(second, {"old": Decimal(100), "new": Decimal(0)})
    assert back == {"old": (BucketRange(0, 1_000_000),), "new": ()}


def test_weights_that_do_not_total_100_are_refused() -> None:
    with pytest.raises(ValueError, match=r"total 99\.9999, not 100"):
        least_movement({}, {"a": Decimal("99.9999")})


@pytest.mark.parametrize(
    ("written", "read"),
    [(90, "90"), (33.3333, "33.3333"), ("0.0001", "0.0001"), (0, "0"), (100.0, "100"), (Decimal("7.50"), "7.5")],
)
def test_a_percentage_is_read_as_written(written: object, read: str) -> None:
    assert percent(written) == Decimal(read)


@pytest.mark.parametrize(
    "written", [33.33333, -1, 100.0001, float("nan"), float("inf"), True, None, "ten", "", [1], "1e-30", 0.1 + 0.2]
)
def test_what_is_no_percentage_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"percent|decimal places"):
        percent(written)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (5, 4), (-1, 5), (0, WHOLE + 1)])
def test_an_impossible_range_cannot_be_made(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="bucket range"):
        BucketRange(start, end)


@pytest.mark.parametrize(
    ("arms", "problem"),
    [
        ([[BucketRange(0, 10)]], "end at 10"),
        ([[BucketRange(0, 10)], [BucketRange(20, WHOLE)]], "gap at 10"),
        ([[BucketRange(0, 30)], [BucketRange(20, WHOLE)]], "overlap at 20"),
        ([], "end at 0"),
    ],
)
def test_ranges_that_are_no_partition_are_named(arms: list[list[BucketRange]], problem: str) -> None:
    assert problem in (partition_error(arms) or "")
