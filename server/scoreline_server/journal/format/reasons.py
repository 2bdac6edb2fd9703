"""The columns of reasons: which inputs moved a score most, where a caller or a message asked."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from scoreline_server.journal.format.columns import Column, packed_json
from scoreline_server.scoring.reasons.codes import RowReasons
from scoreline_server.scoring.results import ScoredBatch

REASONS = "reasons"


def packed_reasons(batches: Sequence[ScoredBatch]) -> dict[Column, bytes]:
    """The columns of the rows of some batches; none where no row has reasons."""
    if all(batch.results.explanations is None for batch in batches):
        return {}
    rows = list(chain.from_iterable(map(_rows, batches)))
    codes = [code for row in rows if row is not None for code in row.codes]
    inputs = {name: place for place, name in enumerate(dict.fromkeys(code.input for code in codes))}
    counts = np.array([0 if row is None else len(row.codes) for row in rows], "u1")
    return {
        Column.REASON_INPUTS: packed_json(list(inputs)),
        Column.REASON_COUNTS: counts.tobytes(),
        Column.REASON_CODES: np.array([inputs[code.input] for code in codes], "<u2").tobytes(),
        Column.REASON_VALUES: np.array([code.contribution for code in codes], "<f4").tobytes(),
    }


def _rows(batch: ScoredBatch) -> Sequence[RowReasons | None]:
    return batch.results.explanations or [None] * len(batch.rows)


def reason_types(raw: Mapping[int, memoryview]) -> Mapping[str, str]:
    """The type of the column of reasons; none where no row has any."""
    return {REASONS: "string"} if Column.REASON_COUNTS in raw else {}


def reason_columns(raw: Mapping[int, memoryview]) -> dict[str, list[Any]]:
    """The reasons of each row, as a JSON list of inputs with their contributions; None for a row without any."""
    if Column.REASON_COUNTS not in raw:
        return {}
    names = json.loads(bytes(raw[Column.REASON_INPUTS]))
    codes = np.frombuffer(raw[Column.REASON_CODES], "<u2").tolist()
    values = np.frombuffer(raw[Column.REASON_VALUES], "<f4").tolist()
    found: list[str | None] = []
    start = 0
    for count in np.frombuffer(raw[Column.REASON_COUNTS], "u1").tolist():
        own = [[names[codes[at]], round(values[at], 6)] for at in range(start, start + count)]
        found.append(packed_json(own).decode() if own else None)
        start += count
    return {REASONS: found}
