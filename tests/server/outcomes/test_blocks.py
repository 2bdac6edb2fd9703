"""The file format of outcomes: what is written is read, and what is damaged is skipped and said."""

import io
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline import Outcome
from scoreline.fields import LAST_NANOSECOND, MAX_NUMBER
from scoreline_server.journal.format.blocks import Block, Fault, Kind, framed, scan
from scoreline_server.journal.format.columns import packed, packed_json
from scoreline_server.outcomes.block import OutcomeBlock, OutcomeColumn
from scoreline_server.outcomes.log import OutcomeLog
from scoreline_server.outcomes.reader import read_outcomes
from tests.server.journals import FACTS

NAMES = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)
NUMBERS = st.floats(-MAX_NUMBER, MAX_NUMBER)
TIMES = st.integers(0, LAST_NANOSECOND)


def _prediction_outcomes() -> st.SearchStrategy[Outcome]:
    ids = st.builds(lambda call, place: f"{call.hex()}-{place}", st.binary(min_size=12, max_size=12),
                    st.integers(0, 65535))  # fmt: skip
    return st.builds(Outcome, NAMES, NUMBERS, prediction_id=ids, weight=NUMBERS.map(abs), observed_at=TIMES)


def _unit_outcomes() -> st.SearchStrategy[Outcome]:
    units = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
    windows = st.lists(TIMES, min_size=2, max_size=2, unique=True).map(sorted)
    return st.builds(
        lambda name, value, unit, window, seen: Outcome(
            name, value, unit=unit, since=window[0], until=window[1], observed_at=seen
        ),
        NAMES, NUMBERS, units, windows, TIMES,
    )  # fmt: skip


OUTCOMES = st.lists(_prediction_outcomes() | _unit_outcomes(), max_size=12)


def outcomes_of(block: OutcomeBlock) -> list[Outcome]:
    """The outcomes of a block, one by one."""
    count = len(block.call_ids)
    calls = [call.tobytes().hex() for call in block.call_ids]
    keys: list[dict[str, Any]] = [
        {"prediction_id": f"{call}-{place}"} for call, place in zip(calls, block.places.tolist(), strict=True)
    ]
    keys += [
        {"unit": unit, "since": since, "until": until}
        for unit, since, until in zip(block.units, block.since.tolist(), block.until.tolist(), strict=True)
    ]
    assert len(keys) == len(block) == count + len(block.units)
    return [
        Outcome(block.names[name], value, weight=weight, observed_at=seen, **key)
        for name, value, weight, seen, key in zip(
            block.name_index.tolist(), block.values.tolist(), block.weights.tolist(), block.observed_at.tolist(), keys,
            strict=True,
        )
    ]  # fmt: skip


@given(OUTCOMES, TIMES)
def test_a_block_is_read_as_it_was_written(outcomes: list[Outcome], reported_at: int) -> None:
    written = OutcomeBlock.of("credit", reported_at, outcomes)
    [found] = scan(io.BytesIO(written.block()))
    assert isinstance(found, Block)
    assert found.kind == Kind.OUTCOMES
    read = OutcomeBlock.read(found.body)
    assert (read.route, read.reported_at) == ("credit", reported_at)
    expected = [one for one in outcomes if one.prediction_id] + [one for one in outcomes if one.unit]
    assert outcomes_of(read) == expected


@settings(max_examples=30)
@given(OUTCOMES.filter(bool), st.data())
def test_a_file_cut_anywhere_has_all_blocks_before_the_cut(outcomes: list[Outcome], data: st.DataObject) -> None:
    blocks = [OutcomeBlock.of("credit", time, outcomes).block() for time in range(3)]
    whole = b"".join(blocks)
    cut = data.draw(st.integers(0, len(whole) - 1))
    found = list(scan(io.BytesIO(whole[:cut])))
    sound = [OutcomeBlock.read(one.body).reported_at for one in found if isinstance(one, Block)]
    assert sound == list(range(cut // len(blocks[0])))
    assert [one.is_torn for one in found if isinstance(one, Fault)] == [True] * bool(cut % len(blocks[0]))


@settings(max_examples=50)
@given(OUTCOMES.filter(bool), st.data())
def test_a_flipped_bit_costs_its_block_only(outcomes: list[Outcome], data: st.DataObject) -> None:
    blocks = [OutcomeBlock.of("credit", time, outcomes).block() for time in range(3)]
    whole = bytearray(b"".join(blocks))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    found = list(scan(io.BytesIO(bytes(whole))))
    sound = [OutcomeBlock.read(one.body).reported_at for one in found if isinstance(one, Block)]
    assert sound == [time for time in range(3) if time != place // len(blocks[0])]
    assert sum(isinstance(one, Fault) for one in found) == 1


@given(st.dictionaries(st.sampled_from(list(OutcomeColumn)), st.binary(max_size=40)), st.integers(-2, 3))
def test_a_sound_block_of_nonsense_is_a_fault(columns: dict[OutcomeColumn, bytes], count: int) -> None:
    columns[OutcomeColumn.FACTS] = packed_json({"route": "credit", "reported_at": 1, "predictions": count,
                                                "windows": 1})  # fmt: skip
    columns[OutcomeColumn.NAMES] = packed_json([])
    [problem] = _faults_of(framed(Kind.OUTCOMES, packed(columns)))
    assert "cannot be understood" in problem


def _faults_of(data: bytes) -> list[str]:
    """What is said of a file that has no block that can be read."""
    faults: list[Fault] = []
    with tempfile.NamedTemporaryFile(suffix=".outcomes") as file:
        file.write(data)
        file.flush()
        assert not list(read_outcomes([Path(file.name)], on_fault=lambda _, fault: faults.append(fault)))
    return [fault.problem for fault in faults]


def test_unknown_kinds_of_blocks_and_columns_are_passed_over(tmp_path: Path) -> None:
    with OutcomeLog(tmp_path, FACTS) as log:
        log.append("credit", [Outcome("default", 1, unit="a", since=1, until=2)])
    [path] = tmp_path.iterdir()
    with path.open("ab") as file:
        file.write(framed(99, b"of a newer writer"))  # type: ignore[arg-type]
    assert [len(block) for block in read_outcomes([tmp_path])] == [1]


def test_arrays_of_a_block_have_their_types(tmp_path: Path) -> None:
    with OutcomeLog(tmp_path, FACTS) as log:
        log.append("credit", [Outcome("default", 1, prediction_id=f"{'0' * 24}-3", observed_at=5)])
    [block] = read_outcomes([tmp_path])
    columns = (block.call_ids, block.places, block.observed_at, block.since, block.values, block.weights)
    assert [column.dtype.str for column in columns] == ["|V12", "<u2", "<i8", "<i8", "<f8", "<f8"]
