"""Columns as the body of a block: a table of ids and lengths, then the bytes of each.

    columns      uint16
    per column   uint8 id, uint32 length in bytes
    then the columns, one after another

Readers pass over columns that they do not know.
"""

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE

_Id = TypeVar("_Id", bound=IntEnum)


class Column(IntEnum):
    """The columns of ROWS and SHADOWS blocks; R rows of C calls.

    A column that holds nothing but its default is left out: zeros for numbers, empty for texts.
    """

    FACTS = 1
    """JSON object. ROWS: route (its key in this file), rows, calls, time (of the first call, ns since 1970)."""
    CALL_IDS = 2
    """12 bytes [C]: the second of the call, uint32 big-endian, 8 random bytes; without timed_ids in FILE all random.
    The prediction id is their hex form, a dash and the row's index in its call."""
    CALL_ROWS = 3
    """uint16 [C]: how many rows each call has; left out where each has one."""
    CALL_TIMES = 4
    """int32 [C]: microseconds from ``time`` until the call was scored."""
    CALL_LATENCIES = 5
    """uint32 [C]: microseconds from the call's arrival until it was scored."""
    REQUEST_IDS = 6
    """texts [C]."""
    ENTITY_IDS = 7
    """texts [R]."""
    NUMBERS = 8
    """float32 [R, number features], NaN for missing."""
    CATEGORIES = 9
    """int32 [R, category features]: indices into DICTIONARY, -1 for missing."""
    DICTIONARY = 10
    """JSON list of the category names."""
    LENGTHS = 11
    """int32 [R]: the number of steps."""
    STEPS = 12
    """float32 [sum of lengths, step features]."""
    CONTEXTS = 13
    """JSON list of the distinct contexts."""
    CONTEXT_INDEX = 14
    """uint32 [R]: indices into CONTEXTS."""
    HASHES = 15
    """16 bytes [R, hashed features], zero for missing."""
    ASSIGNED = 16
    """uint16 [R]: the assigned arm, an index into the route's arms; left out where it is the one that served."""
    SERVED = 17
    """uint16 [R]: the arm that scored."""
    REASONS = 18
    """uint8 [R]: scoreline.v1.Reason."""
    SCORES = 19
    """float32 [R]."""
    BANDS = 20
    """uint16 [R]: indices into the route's bands, 65535 for none."""
    QUALITY = 21
    """uint16 [R, 4]: missing, defaulted, unseen, clipped."""
    ERRORS = 22
    """JSON object: why rows have no score, by row. SHADOWS: the same."""
    PLACES = 23
    """uint16 [R]. SHADOWS: the row's index in its call; CALL_IDS is then [R]."""
    NEIGHBOR_COUNTS = 24
    """int32 [R]: the number of neighbors."""
    NEIGHBORS = 25
    """float32 [sum of neighbor counts, neighbor features]."""
    EXTRAS = 26
    """JSON list of [name, rows, shape of a row's output]: the parts of EXTRA_ROWS and EXTRA_VALUES, in order."""
    EXTRA_ROWS = 27
    """uint32 [sum of the parts' rows]: the row of each output."""
    EXTRA_VALUES = 28
    """float32: the outputs of all parts, one after another."""
    RULES = 29
    """uint8 [R]: the rule that decided, an index into the route's rules, 255 where none did (the holdout, overrides);
    left out where it is the last one throughout."""
    PROFILE_STATES = 30
    """uint8 [R]: scoreline.v1.ProfileState, whether the row's profiles were read."""
    FORGOTTEN = 31
    """uint8 [R]: 1 for a row that is forgotten and only keeps the places of its call's other rows. Readers pass over
    it; those that do not know the column find a row without unit, inputs and score."""
    DECISION_TEXTS = 32
    """JSON list of the distinct texts that the columns of decisions point to; the first is empty, for none."""
    DECISION_POLICIES = 33
    """JSON list of [policy, the registry's revision that it was adopted from]."""
    DECISION_POLICY = 34
    """uint16 [R]: indices into DECISION_POLICIES, 65535 for a row that was only scored; left out where all were."""
    DECISION_NAMES = 35
    """uint16 [R, 7]: strategy, rule, action, withheld action, variant, language, channel; in DECISION_TEXTS."""
    DECISION_NUMBERS = 36
    """float64 [R, 4]: propensity, expected value with NaN for none, cost, propensity of the variant."""
    DECISION_CONTROL = 37
    """uint8 [R]: 1 for a unit in the control share."""
    SUPPRESSED = 38
    """JSON object: by row, [action, limit, kind] of each action that a limit forbade; in DECISION_TEXTS."""
    SHADOW_STRATEGIES = 39
    """JSON list of the names of shadow strategies [S]."""
    SHADOW_ACTIONS = 40
    """uint16 [R, S]: what each would have chosen, in DECISION_TEXTS; 0 where it did not decide."""
    DECISION_FLAGS = 41
    """JSON object: by row, the flags of the policy that hold; in DECISION_TEXTS."""
    REASON_INPUTS = 42
    """JSON list of the distinct inputs that reasons name."""
    REASON_COUNTS = 43
    """uint8 [R]: how many reasons a row has; left out where none was asked for."""
    REASON_CODES = 44
    """uint16 [sum of reason counts]: indices into REASON_INPUTS, the largest contribution of a row first."""
    REASON_VALUES = 45
    """float32 [sum of reason counts]: by how much each moved the score, in log odds; a positive one raised it."""


RAGGED_COLUMNS: Mapping[str, tuple[Column, Column]] = {
    SEQUENCE.name: (Column.LENGTHS, Column.STEPS),
    NEIGHBORS.name: (Column.NEIGHBOR_COUNTS, Column.NEIGHBORS),
}
"""The counts and the values of each ragged input, by the name of its kind."""


RESULT_COLUMNS = (
    Column.FACTS, Column.CALL_IDS, Column.CALL_ROWS, Column.CALL_TIMES, Column.CALL_LATENCIES, Column.REQUEST_IDS,
    Column.ENTITY_IDS, Column.CONTEXTS, Column.CONTEXT_INDEX, Column.ASSIGNED, Column.SERVED, Column.REASONS,
    Column.SCORES, Column.BANDS, Column.QUALITY, Column.ERRORS, Column.PLACES, Column.RULES,
    Column.PROFILE_STATES, Column.FORGOTTEN, Column.DECISION_TEXTS, Column.DECISION_POLICIES, Column.DECISION_POLICY,
    Column.DECISION_NAMES, Column.DECISION_NUMBERS, Column.DECISION_CONTROL, Column.SUPPRESSED,
    Column.SHADOW_STRATEGIES, Column.SHADOW_ACTIONS, Column.DECISION_FLAGS, Column.REASON_INPUTS,
    Column.REASON_COUNTS, Column.REASON_CODES, Column.REASON_VALUES,
)  # fmt: skip
"""The columns of ids, contexts, results, reasons and decisions, which retention keeps longer than inputs and extras."""


def packed(columns: Mapping[_Id, bytes | memoryview]) -> bytes:
    """Columns as a body."""
    sizes = list(map(len, columns.values()))
    table = [number for pair in zip(columns, sizes, strict=True) for number in pair]
    return b"".join((struct.pack(f"<H{'BI' * len(sizes)}", len(sizes), *table), *columns.values()))


def column_places(body: bytes) -> dict[int, tuple[int, int]]:
    """Where each column of a body begins and ends, by id; the table of columns is enough of the body.

    Raises ValueError where it stops short.
    """
    try:
        (count,) = struct.unpack_from("<H", body)
        table = struct.unpack_from(f"<{'BI' * count}", body, 2)
    except struct.error as error:
        raise ValueError("the table of columns stops short") from error
    ends = accumulate(table[1::2], initial=2 + 5 * count)
    return dict(zip(table[::2], pairwise(ends), strict=True))


def unpacked(body: bytes) -> dict[int, memoryview]:
    """The columns of a body by id. Raises ValueError where it is none."""
    places = column_places(body)
    end = max((end for _, end in places.values()), default=2)
    if end != len(body):
        raise ValueError(f"the columns are {end} bytes, the body {len(body)}")
    view = memoryview(body)
    return {id_: view[start:end] for id_, (start, end) in places.items()}


def packed_arrays(arrays: Iterable[npt.NDArray[Any]]) -> bytes:
    """Arrays one after another."""
    return b"".join([array.tobytes() for array in arrays])


def packed_texts(texts: Sequence[str]) -> bytes:
    """Texts as uint32 lengths in code points, then all of them in UTF-8."""
    lengths = np.fromiter(map(len, texts), "<u4", len(texts))
    return lengths.tobytes() + "".join(texts).encode()


def unpacked_texts(data: memoryview, count: int) -> list[str]:
    """``count`` texts. Raises ValueError where they are not."""
    lengths = np.frombuffer(data[: 4 * count], "<u4").tolist()
    text = bytes(data[4 * count :]).decode()
    if len(lengths) != count or sum(lengths) != len(text):
        raise ValueError(f"these are not {count} texts")
    ends = list(accumulate(lengths, initial=0))
    return [text[start:end] for start, end in pairwise(ends)]


def packed_json(value: Any) -> bytes:
    """A value as JSON."""
    return _JSON.encode(value).encode()


# Made once: json.dumps would make one for every block.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
