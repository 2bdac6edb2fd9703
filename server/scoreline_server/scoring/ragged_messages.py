"""The message fields of each kind of ragged input, and its errors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE
from scoreline_server.errors import ErrorReason, ScoringError


@dataclass(frozen=True, slots=True)
class RaggedMessage:
    """The fields of one kind and its errors.

    Attributes:
        values: the field of PackedEntities with the items of all rows, float32.
        counts: the field of PackedEntities with the number of items of each row, int32.
        items: the items of an entity in the row form.
        one: one item, as errors call it.
        unexpected: the error of items that the route does not take.
        too_many: the error of more items than the route takes, given how many there are and how many it takes.
        empty: the error of no items; None where an entity may have none.
    """

    values: str
    counts: str
    items: Callable[[pb.Entity], Sequence[pb.Step] | Sequence[pb.Neighbor]]
    one: str
    unexpected: Callable[[], ScoringError]
    too_many: Callable[[int, int], ScoringError]
    empty: Callable[[], ScoringError] | None = None


def _too_long(length: int, most: int) -> ScoringError:
    return ScoringError(
        ErrorReason.SEQUENCE_TOO_LONG,
        f"the sequence has {length} steps, the route takes at most {most}: send the newest",
        found=length,
        most=most,
    )


def _too_many(count: int, most: int) -> ScoringError:
    return ScoringError(
        ErrorReason.TOO_MANY_NEIGHBORS,
        f"the entity has {count} neighbors, the route takes at most {most}: send those that are closest",
        found=count,
        most=most,
    )


MESSAGES: Mapping[str, RaggedMessage] = {
    SEQUENCE.name: RaggedMessage(
        "steps",
        "lengths",
        lambda entity: entity.sequence.steps,
        "a step of the sequence",
        partial(ScoringError, ErrorReason.UNEXPECTED_SEQUENCE, "this route takes no sequence: leave it out"),
        _too_long,
        partial(ScoringError, ErrorReason.EMPTY_SEQUENCE, "the sequence is empty: send at least one step"),
    ),
    NEIGHBORS.name: RaggedMessage(
        "neighbors",
        "neighbor_counts",
        lambda entity: entity.neighbors,
        "a neighbor",
        partial(ScoringError, ErrorReason.UNEXPECTED_NEIGHBORS, "this route takes no neighbors: leave them out"),
        _too_many,
    ),
}
"""By the kind's name, in the order of RAGGED_KINDS."""
