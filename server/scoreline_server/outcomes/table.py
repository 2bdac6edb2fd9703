"""The outcomes that count: of those with one key, the last reported."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline_server.outcomes.block import CALL_ID, CallIds, Float64, Int64, OutcomeBlock, UInt16

Rows: TypeAlias = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeTable:
    """The outcomes of one route that count: N, the first P of predictions, the other U of units.

    The key of a prediction's outcome is its prediction id and its name; of a unit's its unit, window and name. No key
    is here twice.

    Attributes:
        names: the distinct names.
        name_index: [N] indices into ``names``.
        values: [N] what was observed.
        weights: [N] how much each counts; 0 withdraws an outcome.
        observed_at, reported_at: [N] in ns since 1970.
        call_ids: [P] the call of the prediction, 12 bytes.
        places: [P] the row's index in its call.
        units: [U] units of the route's split.
        since, until: [U] the window [since, until) in which the unit's rows were scored, in ns since 1970.
        replaced: how many outcomes do not count, because a later one has their key.
    """

    names: tuple[str, ...]
    name_index: npt.NDArray[np.uint32]
    values: Float64
    weights: Float64
    observed_at: Int64
    reported_at: Int64
    call_ids: CallIds
    places: UInt16
    units: Sequence[str]
    since: Int64
    until: Int64
    replaced: int = 0

    def __len__(self) -> int:
        return len(self.values)


def last_words(blocks: Iterable[OutcomeBlock]) -> OutcomeTable:
    """The last reported outcome of each key, among the blocks of one route.

    Of those that were reported in the same nanosecond, the last in the order of the blocks counts.
    """
    everything = _joined(list(blocks))
    predictions = len(everything.call_ids)
    of_predictions = _last_of_predictions(everything)
    of_units = _last_of_units(everything)
    kept = np.concatenate([of_predictions, predictions + of_units])
    return OutcomeTable(
        names=everything.names,
        name_index=everything.name_index[kept],
        values=everything.values[kept],
        weights=everything.weights[kept],
        observed_at=everything.observed_at[kept],
        reported_at=everything.reported_at[kept],
        call_ids=everything.call_ids[of_predictions],
        places=everything.places[of_predictions],
        units=[everything.units[row] for row in of_units.tolist()],
        since=everything.since[of_units],
        until=everything.until[of_units],
        replaced=len(everything) - len(kept),
    )


def _joined(blocks: Sequence[OutcomeBlock]) -> OutcomeTable:
    """All outcomes of some blocks, in their order, those of predictions first."""
    places: dict[str, int] = {}
    indices = []
    for block in blocks:
        table = [places.setdefault(name, len(places)) for name in block.names]
        indices.append(np.array(table, np.uint32)[block.name_index])
    cuts = [len(block.call_ids) for block in blocks]
    return OutcomeTable(
        names=tuple(places),
        name_index=_parts(indices, cuts, np.uint32),
        values=_parts([block.values for block in blocks], cuts, np.float64),
        weights=_parts([block.weights for block in blocks], cuts, np.float64),
        observed_at=_parts([block.observed_at for block in blocks], cuts, np.int64),
        reported_at=_parts([np.full(len(block), block.reported_at) for block in blocks], cuts, np.int64),
        call_ids=_concatenated([block.call_ids for block in blocks], CALL_ID),
        places=_concatenated([block.places for block in blocks], np.uint16),
        units=[unit for block in blocks for unit in block.units],
        since=_concatenated([block.since for block in blocks], np.int64),
        until=_concatenated([block.until for block in blocks], np.int64),
    )


def _parts(columns: Sequence[npt.NDArray[Any]], cuts: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The parts of some columns before their cuts, one after another, then the parts behind."""
    before = [column[:cut] for column, cut in zip(columns, cuts, strict=True)]
    behind = [column[cut:] for column, cut in zip(columns, cuts, strict=True)]
    return _concatenated([*before, *behind], dtype)


def _concatenated(columns: Sequence[npt.NDArray[Any]], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *columns], dtype=dtype)


def _last_of_predictions(table: OutcomeTable) -> Rows:
    """The rows of the last outcome of each prediction id and name, ascending."""
    count = len(table.call_ids)
    words = table.call_ids.view(np.uint32).reshape(count, 3).astype(np.uint64)
    first = words[:, 0] << np.uint64(32) | words[:, 1]
    second = words[:, 2] << np.uint64(16) | table.places
    del words
    names = table.name_index[:count]
    order = np.argsort(table.reported_at[:count], kind="stable")
    # Stable as well, so that the last of equals is the last reported.
    order = order[np.lexsort((names[order], second[order], first[order]))]
    is_last = np.ones(count, bool)
    is_last[:-1] = False
    for key in (first, second, names):
        is_last[:-1] |= key[order[:-1]] != key[order[1:]]
    return np.sort(order[is_last])


def _last_of_units(table: OutcomeTable) -> Rows:
    """The rows, among those of units, of the last outcome of each unit, window and name, ascending."""
    predictions = len(table.call_ids)
    order = np.argsort(table.reported_at[predictions:], kind="stable").tolist()
    names = table.name_index[predictions:].tolist()
    keys = list(zip(table.units, table.since.tolist(), table.until.tolist(), names, strict=True))
    last = {keys[row]: row for row in order}
    return np.sort(np.fromiter(last.values(), np.intp, len(last)))
