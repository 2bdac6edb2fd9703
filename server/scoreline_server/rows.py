"""The engine's one form of input: the rows of one call as blocks in the route's layout.

Both entity forms of the wire become ``Rows``; whatever is wrong with a single entity is kept beside its row, so that
the others are scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.errors import ScoringError
from scoreline_server.layout import Layout
from scoreline_server.model import Float32, Int32
from scoreline_server.reasons import Reason

ContextValue = str | float | bool
Context = Mapping[str, ContextValue]

MAX_ENTITIES = 1024


@dataclass(slots=True)
class Rows:
    """N entities in a route's layout.

    Attributes:
        ids: [N] entity ids.
        numbers: float32 [N, number features], NaN where missing.
        categories: int32 [N, category features], indices into ``dictionary``, -1 where missing.
        dictionary: the category names that ``categories`` points to.
        steps: float32 [sum of lengths, step features].
        lengths: int32 [N], or empty where the layout has no sequence.
        contexts: [N], or empty where no row has a context.
        errors: what is wrong with single rows, by row.
    """

    ids: Sequence[str]
    numbers: Float32
    categories: Int32
    dictionary: Sequence[str]
    steps: Float32
    lengths: Int32
    contexts: Sequence[Context] = ()
    errors: dict[int, ScoringError] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


def check_count(count: int) -> None:
    """Raises ScoringError unless a call carries 1 to MAX_ENTITIES entities."""
    if count < 1:
        raise ScoringError(Reason.NO_ENTITIES, f"send 1 to {MAX_ENTITIES} entities", found=0)
    if count > MAX_ENTITIES:
        raise ScoringError(
            Reason.TOO_MANY_ENTITIES,
            f"a call carries at most {MAX_ENTITIES} entities, this one has {count}: send several calls",
            found=count,
            most=MAX_ENTITIES,
        )


def context_of(values: Mapping[str, pb.Value]) -> Context:
    """A context as plain values; unset ones are left out."""
    return {
        name: getattr(value, kind) for name, value in values.items() if (kind := value.WhichOneof("kind")) is not None
    }


def concatenated(parts: Sequence[Rows], layout: Layout) -> Rows:
    """The rows of several calls as one block; dictionaries are appended, rows keep their order."""
    if len(parts) == 1:
        return parts[0]
    return Rows(
        ids=[id_ for part in parts for id_ in part.ids],
        numbers=np.concatenate([part.numbers for part in parts]),
        categories=_shifted_categories(parts),
        dictionary=[name for part in parts for name in part.dictionary],
        steps=np.concatenate([part.steps for part in parts]) if layout.has_sequence else parts[0].steps,
        lengths=np.concatenate([part.lengths for part in parts]) if layout.has_sequence else parts[0].lengths,
        contexts=_contexts(parts),
        errors=_shifted_errors(parts),
    )


def _shifted_categories(parts: Sequence[Rows]) -> Int32:
    if not parts[0].categories.shape[1]:
        return np.empty((sum(map(len, parts)), 0), np.int32)
    blocks, offset = [], 0
    for part in parts:
        blocks.append(np.where(part.categories >= 0, part.categories + np.int32(offset), np.int32(-1)))
        offset += len(part.dictionary)
    return np.concatenate(blocks)


def _contexts(parts: Sequence[Rows]) -> Sequence[Context]:
    if not any(part.contexts for part in parts):
        return ()
    return [context for part in parts for context in (part.contexts or [{}] * len(part))]


def _shifted_errors(parts: Sequence[Rows]) -> dict[int, ScoringError]:
    errors, offset = {}, 0
    for part in parts:
        errors.update({row + offset: error for row, error in part.errors.items()})
        offset += len(part)
    return errors
