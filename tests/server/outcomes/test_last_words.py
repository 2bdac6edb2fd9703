"""Which outcome counts: the last that was reported of each key."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scoreline import Outcome
from scoreline_server.outcomes.block import OutcomeBlock
from scoreline_server.outcomes.table import OutcomeTable, last_words

ZEROS = "0" * 24


def by_key(table: OutcomeTable) -> dict[tuple[object, ...], float]:
    """The values of a table by their keys, which are all different."""
    count = len(table.call_ids)
    keys: list[tuple[object, ...]] = [
        (call.tobytes().hex(), place, table.names[name])
        for call, place, name in zip(
            table.call_ids, table.places.tolist(), table.name_index[:count].tolist(), strict=True
        )
    ]
    keys += [
        (unit, since, until, table.names[name])
        for unit, since, until, name in zip(
            table.units, table.since.tolist(), table.until.tolist(), table.name_index[count:].tolist(), strict=True
        )
    ]
    found = dict(zip(keys, table.values.tolist(), strict=True))
    assert len(found) == len(table)
    return found


def key_of(outcome: Outcome) -> tuple[object, ...]:
    if outcome.prediction_id:
        call, _, place = outcome.prediction_id.partition("-")
        return call, int(place), outcome.name
    return outcome.unit, outcome.since, outcome.until, outcome.name


CALLS = st.sampled_from([ZEROS, "0" * 16 + "f" * 8, "ff" + "0" * 22, "0" * 8 + "1" + "0" * 15])
FEW = st.one_of(
    st.builds(
        lambda name, value, call, place: Outcome(name, value, prediction_id=f"{call}-{place}"),
        st.sampled_from("ab"), st.integers(0, 9), CALLS, st.sampled_from([0, 1, 65535]),
    ),
    st.builds(
        lambda name, value, unit, until: Outcome(name, value, unit=unit, since=1, until=until),
        st.sampled_from("bc"), st.integers(0, 9), st.sampled_from("uv"), st.sampled_from([2, 3]),
    ),
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 3), st.lists(FEW, max_size=6)), max_size=5))
def test_the_last_reported_outcome_of_each_key_counts(reports: list[tuple[int, list[Outcome]]]) -> None:
    expected: dict[tuple[object, ...], float] = {}
    for _, outcomes in sorted(reports, key=lambda report: report[0]):
        expected.update({key_of(outcome): outcome.value for outcome in outcomes})
    table = last_words(OutcomeBlock.of("credit", time, outcomes) for time, outcomes in reports)
    assert by_key(table) == expected
    assert table.replaced == sum(len(outcomes) for _, outcomes in reports) - len(table)


def test_no_blocks_are_an_empty_table() -> None:
    table = last_words([])
    assert (len(table), len(table.call_ids), len(table.units), table.names) == (0, 0, 0, ())


def test_the_columns_of_a_row_stay_together() -> None:
    one = [
        Outcome("a", 1, prediction_id=f"{ZEROS}-0", observed_at=10),
        Outcome("b", 2, unit="u", since=5, until=6, observed_at=20),
    ]
    two = [Outcome("b", 3, prediction_id=f"{ZEROS}-1", weight=0, observed_at=30)]
    table = last_words([OutcomeBlock.of("credit", 100, one), OutcomeBlock.of("credit", 200, two)])
    assert [table.names[name] for name in table.name_index] == ["a", "b", "b"]
    assert table.values.tolist() == [1, 3, 2]
    assert table.weights.tolist() == [1, 0, 1]
    assert table.observed_at.tolist() == [10, 30, 20]
    assert table.reported_at.tolist() == [100, 200, 100]
    assert (list(table.units), table.since.tolist(), table.until.tolist()) == (["u"], [5], [6])


def test_more_names_than_a_block_may_have_are_told_apart() -> None:
    blocks = [
        OutcomeBlock.of(
            "credit", part, [Outcome(f"{part}-{row}", row, prediction_id=f"{ZEROS}-0") for row in range(9000)]
        )
        for part in range(8)
    ]
    table = last_words(blocks)
    assert len(table) == len(table.names) == 72_000
    assert np.array_equal(np.sort(table.name_index), np.arange(72_000))
