"""The policy, the entity and the context of single decisions, found in the journal by their ids."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoreline_server.journal.format.blocks import HEADER_BYTES
from scoreline_server.journal.format.columns import unpacked
from scoreline_server.journal.format.decisions import NO_POLICY
from scoreline_server.journal.reading.lookup import BlockPlace, CallFinder
from scoreline_server.journal.reading.row_arrays import RowArrays


@dataclass(frozen=True, slots=True)
class DecidedFor:
    """Which policy decided, and for which entity in which context."""

    policy: str
    entity_id: str
    context: Mapping[str, Any]


def find_decisions(finder: CallFinder, decision_ids: Sequence[str]) -> dict[str, DecidedFor]:
    """Those of some decisions that the journal has, by id; rows that were only scored are none. Raises OSError."""
    keys = {each: (bytes.fromhex(each[:24]), int(each[25:])) for each in decision_ids}
    calls = finder.find({call for call, _ in keys.values()}).calls
    by_block: dict[BlockPlace, dict[str, tuple[bytes, int]]] = {}
    for id_, (call, place) in keys.items():
        known = calls.get(call)
        if known is not None and known.block is not None and place < known.rows:
            by_block.setdefault(known.block, {})[id_] = (call, place)
    found: dict[str, DecidedFor] = {}
    for block, wanted in by_block.items():
        # A block that retention or forgetting has moved meanwhile is not what was found: its rows have none.
        with contextlib.suppress(FileNotFoundError, IndexError, KeyError, ValueError):
            found |= _decisions(block, wanted)
    return found


def _decisions(block: BlockPlace, wanted: Mapping[str, tuple[bytes, int]]) -> dict[str, DecidedFor]:
    """Those of some decisions that a block has."""
    with block.path.open("rb") as file:
        file.seek(block.start + HEADER_BYTES)
        rows = RowArrays(block.route, unpacked(file.read(block.end - block.start - HEADER_BYTES)))
    if rows.decisions is None:
        return {}
    policies, entities = rows.decisions.policies, rows.entity_ids
    found = {}
    for id_, (call, place) in wanted.items():
        of_call = np.flatnonzero(rows.call_ids == np.frombuffer(call, rows.call_ids.dtype)[0])
        row = int(of_call[place])
        policy = int(rows.decisions.policy[row])
        if policy != NO_POLICY:
            context = rows.contexts[int(rows.context_index[row])]
            found[id_] = DecidedFor(policies[policy][0], entities[row], context)
    return found
