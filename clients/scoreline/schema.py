"""The schema of a route: its features and their order, as the server describes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from operator import itemgetter
from typing import Any, Self

from scoreline.v1 import scoring_pb2 as pb


class FeatureKind(IntEnum):
    """The type of a feature's values."""

    UNKNOWN = 0
    NUMBER = 1
    CATEGORY = 2

    @classmethod
    def _missing_(cls, value: object) -> "FeatureKind | None":
        return cls.UNKNOWN if isinstance(value, int) else None


@dataclass(frozen=True, slots=True)
class FeatureSchema:
    """One feature: a float32 number, or a category of which the route's arms know ``vocabulary``.

    ``profile`` fills it where the caller leaves it out; empty for none.
    """

    name: str
    kind: FeatureKind
    required: bool
    vocabulary: tuple[str, ...]
    profile: str = ""


@dataclass(frozen=True, slots=True)
class SequenceSchema:
    """The step features in the order of a step's columns, and the most steps that an entity may have.

    Those in ``vocabularies`` are categories; in arrays they are the index of the name, the number of names for any
    other name, and NaN where missing. The others are numbers. ``profile`` has the steps of entities that are sent
    without a sequence; empty for none.
    """

    features: tuple[str, ...]
    max_length: int
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    profile: str = ""


@dataclass(frozen=True, slots=True)
class NeighborSchema:
    """The neighbour features, all numbers, in the order of a neighbour's columns, and the most that an entity has.

    ``profile`` has the neighbours of entities that are sent without any; empty for none.
    """

    features: tuple[str, ...]
    max_neighbors: int
    profile: str = ""


@dataclass(frozen=True)
class RouteSchema:
    """A route's features in packed order, its sequence and neighbours, what its split hashes, its arms' extras.

    ``digest`` identifies names, kinds and order. ``unit`` is "entity_id" or "context.<name>".
    """

    route: str
    revision: int
    digest: str
    features: tuple[FeatureSchema, ...]
    sequence: SequenceSchema | None
    unit: str
    extras: tuple[str, ...]
    max_entities: int
    neighbors: NeighborSchema | None = None

    @classmethod
    def from_message(cls, message: pb.GetSchemaResponse) -> Self:
        """Decodes the server's response."""
        sequence = message.sequence if message.HasField("sequence") else None
        around = message.neighbors if message.HasField("neighbors") else None
        return cls(
            route=message.route,
            revision=message.revision,
            digest=message.schema_digest,
            features=tuple(
                FeatureSchema(f.name, FeatureKind(f.kind), f.required, tuple(f.vocabulary), f.profile)
                for f in message.features
            ),
            sequence=sequence
            and SequenceSchema(
                tuple(sequence.features),
                sequence.max_length,
                {each.feature: tuple(each.names) for each in sequence.vocabularies},
                sequence.profile,
            ),
            unit=message.unit,
            extras=tuple(message.extras),
            max_entities=message.max_entities,
            neighbors=around and NeighborSchema(tuple(around.features), around.max_neighbors, around.profile),
        )

    @property
    def step_features(self) -> tuple[str, ...] | None:
        """The columns of a step; None where the route takes no sequence."""
        return None if self.sequence is None else self.sequence.features

    @cached_property
    def step_codes(self) -> Mapping[str, Mapping[str, int]]:
        """The index of each name of the step features that are categories."""
        vocabularies = {} if self.sequence is None else self.sequence.vocabularies
        return {name: {text: code for code, text in enumerate(names)} for name, names in vocabularies.items()}

    @property
    def neighbor_features(self) -> tuple[str, ...] | None:
        """The columns of a neighbour; None where the route takes none."""
        return None if self.neighbors is None else self.neighbors.features

    @cached_property
    def is_flat(self) -> bool:
        """True where the route takes features alone."""
        return self.sequence is None and self.neighbors is None

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The names of the number features, in the order of the packed block."""
        return tuple(f.name for f in self.features if f.kind is FeatureKind.NUMBER)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The names of the category features, in the order of the packed block."""
        return tuple(f.name for f in self.features if f.kind is FeatureKind.CATEGORY)

    def pick_numbers(self, features: Mapping[str, Any]) -> Sequence[Any]:
        """The values of the number features in the order of the packed block; None where one is absent."""
        try:
            return self._all_numbers(features)
        except KeyError:
            return [*map(features.get, self.numbers)]

    @cached_property
    def _all_numbers(self) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
        # One call in C for all names; for a single name it would give the bare value.
        return itemgetter(*self.numbers) if len(self.numbers) > 1 else lambda named: [*map(named.get, self.numbers)]

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all features."""
        return frozenset(f.name for f in self.features)
