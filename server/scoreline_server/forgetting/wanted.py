"""What is to be forgotten, and where it is in a block."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from scoreline_server.journal.reading.row_arrays import RowArrays
from scoreline_server.outcomes.block import OutcomeBlock

Bool = npt.NDArray[np.bool_]
Key = bytes
"""A prediction id as 14 bytes: its call and the row's index in it, little-endian."""

KEY_BYTES = 14
_KEY = np.dtype([("call", "V12"), ("place", "<u2")])


@dataclass(frozen=True)
class Wanted:
    """What is forgotten.

    Attributes:
        entities: until when each entity's rows and outcomes are, in ns since 1970.
        predictions: the rows of them, by the keys of their prediction ids.
    """

    entities: Mapping[str, int]
    predictions: frozenset[Key] = frozenset()

    @cached_property
    def needles(self) -> tuple[bytes, ...]:
        """Bytes of which a block has at least one where it names an entity as text, in JSON or as a number."""
        found = set[str]()
        for entity in self.entities:
            found |= {entity, json.dumps(entity, ensure_ascii=False)[1:-1]}
            try:
                found.add(repr(float(entity)))
            except ValueError:
                continue
        return tuple(sorted(text.encode() for text in found))

    def may_be_in(self, data: bytes) -> bool:
        """Whether some bytes may name an entity."""
        return any(needle in data for needle in self.needles)

    def rows(self, block: RowArrays) -> Mapping[str, Bool]:
        """The rows of each entity among the R rows of a block: bool [R], by entity."""
        found: dict[str, Bool] = {}
        for names in (block.entity_ids, block.units):
            for entity in set(names) & self.entities.keys():
                own = np.fromiter((name == entity for name in names), bool, len(names))
                own &= block.times <= self.entities[entity]
                found[entity] = found[entity] | own if entity in found else own
        return {entity: own for entity, own in found.items() if own.any()}

    def outcomes(self, block: OutcomeBlock) -> Bool:
        """The outcomes of a block that are of these predictions, or of an entity as the unit: bool [N]."""
        units = [block.reported_at <= self.entities.get(unit, -1) for unit in block.units]
        return np.append(self.among(block.call_ids, block.places), np.array(units, bool)).astype(bool)

    def among(self, call_ids: npt.NDArray[np.void], places: npt.NDArray[np.uint16]) -> Bool:
        """Which of some prediction ids [N] are forgotten: bool [N]."""
        if not self.predictions:
            return np.zeros(len(call_ids), bool)
        return np.array([key in self.predictions for key in prediction_keys(call_ids, places)], bool)


def prediction_keys(call_ids: npt.NDArray[np.void], places: npt.NDArray[np.uint16]) -> list[Key]:
    """The keys of some prediction ids [N]."""
    joined = np.empty(len(call_ids), _KEY)
    joined["call"], joined["place"] = call_ids, places
    return split_keys(joined.tobytes())


def split_keys(data: bytes) -> list[Key]:
    """The keys that some bytes are."""
    return [data[start : start + KEY_BYTES] for start in range(0, len(data), KEY_BYTES)]
