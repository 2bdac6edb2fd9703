"""Journaled rows as arrays that the engine can score again."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.ragged import SEQUENCE, RaggedInput
from scoreline_server.errors import ErrorReason
from scoreline_server.journal.format.facts import FileFacts, RouteFacts
from scoreline_server.journal.reading.records import Records
from scoreline_server.journal.reading.row_arrays import NO_ARM, RowArrays
from scoreline_server.scoring.arrays import Indices
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.rows import RaggedBlock, RowBlock

Mask = npt.NDArray[np.bool_]

_REQUEST_ERRORS = frozenset(
    {
        ErrorReason.UNKNOWN_FEATURE,
        ErrorReason.WRONG_TYPE,
        ErrorReason.WRONG_INDEX,
        ErrorReason.UNEXPECTED_SEQUENCE,
        ErrorReason.SEQUENCE_TOO_LONG,
        ErrorReason.UNEXPECTED_NEIGHBORS,
        ErrorReason.TOO_MANY_NEIGHBORS,
        ErrorReason.INVALID_EVENT,
    }
)
"""Errors found while a request was read, of values that the journal has no columns for."""


@dataclass(frozen=True, slots=True)
class JournaledRows:
    """The N rows of one block, in the order in which they were scored.

    Attributes:
        file, route: the facts of the writer and of the route.
        inputs: the rows in the layout of ``layout_of(route)``; without values where ``has_inputs`` is False.
        has_inputs: whether the block holds the inputs, which retention removes before the rest.
        kept: bool [N], the selected rows.
        prediction_ids, times: of each row; ns since 1970.
        scores: float32 [N], NaN where there is an error.
        bands: uint16 [N], indices into ``route.bands``, or NO_BAND.
        assigned, served: intp [N], indices into ``route.arms``.
        errors: the reason of each row without a score.
        batches, calls: intp, the first row of each batch that was scored together, and of each call.
    """

    file: FileFacts
    route: RouteFacts
    inputs: RowBlock
    has_inputs: bool
    kept: Mask
    prediction_ids: list[str]
    times: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    bands: npt.NDArray[np.uint16]
    assigned: Indices
    served: Indices
    errors: Mapping[int, str]
    batches: Indices
    calls: Indices

    @classmethod
    def of(cls, records: Records) -> "JournaledRows":
        """Decodes all rows of a block, also those that are not selected: they were scored together."""
        block = RowArrays(records.route, records.raw)
        return cls(
            file=records.file,
            route=records.route,
            inputs=_inputs(block),
            has_inputs=block.has_inputs,
            kept=np.ones(len(block), bool) if records.kept is None else records.kept,
            prediction_ids=records.prediction_ids,
            times=block.times,
            scores=block.scores,
            bands=block.bands,
            # A row without unit has no arm; it counts to the one that the journal has it under.
            assigned=np.where(block.assigned == NO_ARM, block.served, block.assigned).astype(np.intp),
            served=block.served.astype(np.intp),
            errors=block.errors,
            batches=_starts(block.times),
            calls=np.flatnonzero(block.places == 0),
        )

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def invalid(self) -> Mask:
        """bool [N]: rows whose request was invalid, so that the journal lacks what their callers sent."""
        invalid = np.zeros(len(self), bool)
        infinite = self._infinite() if ErrorReason.NOT_FINITE in self.errors.values() else invalid
        for row, reason in self.errors.items():
            # A number beyond float32 is no input of the engine; an infinite one of a packed call is.
            invalid[row] = reason in _REQUEST_ERRORS or (reason == ErrorReason.NOT_FINITE and not infinite[row])
        return invalid

    def _infinite(self) -> Mask:
        """bool [N]: rows with an infinite number in a feature or an item."""
        infinite = np.zeros(len(self), bool)
        infinite |= np.isinf(self.inputs.numbers).any(axis=1)
        for block in self.inputs.ragged:
            owners = np.repeat(np.arange(len(self)), block.counts)
            infinite[owners[np.isinf(block.values).any(axis=1)]] = True
        return infinite


def layout_of(route: RouteFacts) -> Layout:
    """The layout of a route's journaled inputs: its own without sensitive features, numbers first."""
    features = {**dict.fromkeys(route.numbers, "number"), **dict.fromkeys(route.categories, "category")}
    items = {kind: names for kind, names in route.ragged.items() if names}
    # The maximum is a check of requests, which these rows have passed.
    vocabularies = {name: tuple(names) for name, names in route.step_vocabularies.items()}
    ragged = tuple(
        RaggedInput(kind, names, 0, vocabularies if kind is SEQUENCE else {}) for kind, names in items.items()
    )
    return Layout(features, ragged, route.schema_digest)  # type: ignore[arg-type]  # the kinds are literals


def part(rows: RowBlock, start: int, stop: int) -> RowBlock:
    """The rows ``start`` to ``stop`` of a block, without copies of its arrays."""
    return RowBlock(
        ids=rows.ids[start:stop],
        numbers=rows.numbers[start:stop],
        categories=rows.categories[start:stop],
        dictionary=rows.dictionary,
        ragged=[_ragged_part(block, start, stop) for block in rows.ragged],
        contexts=rows.contexts[start:stop],
        errors={},
    )


def _ragged_part(block: RaggedBlock, start: int, stop: int) -> RaggedBlock:
    first = int(block.counts[:start].sum(dtype=np.int64))
    counts = block.counts[start:stop]
    return RaggedBlock(block.values[first : first + int(counts.sum(dtype=np.int64))], counts)


def _inputs(block: RowArrays) -> RowBlock:
    ragged = [block.items(kind) for kind, names in block.route.ragged.items() if names]
    contexts = block.contexts if any(block.contexts) else ()
    return RowBlock(
        ids=block.entity_ids,
        numbers=block.numbers,
        categories=block.categories,
        dictionary=block.dictionary,
        ragged=[RaggedBlock(values, counts) for counts, values in ragged],
        contexts=[contexts[index] for index in block.context_index.tolist()] if contexts else (),
        errors={},
    )


def _starts(values: npt.NDArray[np.int64]) -> Indices:
    """Where runs of equal values begin: the calls of a batch have their time in common."""
    return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
