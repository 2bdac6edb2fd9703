"""Journaled decisions as the cases that they were made on, as far as the journal has their facts."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.decisions.deciding.proposal import UPLIFT, Case
from scoreline_registry.decisions.facts import (
    BAND,
    CONTEXT,
    EVENT,
    EXTRA,
    FEATURE,
    FLAG,
    FLAG_FALLBACK,
    FLAG_NEW,
    FLAG_UNREACHABLE,
    POINTS,
    PROFILE,
    SCORE,
    FactValue,
)
from scoreline_registry.routing.assignment import unit_of
from scoreline_registry.routing.route import UNIT_ENTITY
from scoreline_server.analysis.decisions.cases import STORE_FREE, CaseQuery, chosen_rows
from scoreline_server.analysis.decisions.uplifts import UpliftsOf, no_uplifts
from scoreline_server.analysis.rows.predictions import prediction_keys
from scoreline_server.journal.format.decisions import NAMES, NUMBERS, DecisionArrays
from scoreline_server.journal.format.extras import extra_columns
from scoreline_server.journal.format.fingerprints import UInt64
from scoreline_server.journal.reading.reader import read_records
from scoreline_server.journal.reading.records import Records
from scoreline_server.journal.reading.row_arrays import RowArrays
from scoreline_server.scoring.compiled_route import NO_BAND
from scoreline_server.scoring.decided import case_id

NOT_JOURNALED = (PROFILE, EVENT, POINTS)
"""Facts that a decision was made on and that the journal does not keep, by their beginnings."""

_STATES = {FLAG_NEW: pb.PROFILE_STATE_NEW, FLAG_UNREACHABLE: pb.PROFILE_STATE_UNREACHABLE}

Values: TypeAlias = Sequence[FactValue | None]


@dataclass(frozen=True, slots=True)
class JournaledDecision:
    """One decision as it was made.

    Attributes:
        case: what it was made on; facts that the journal does not have are missing.
        proposed: what ranked first, before limits of a store; of the control, what was withheld.
        action: what was done, at this ``cost``.
        refused: the actions that limits of a store refused.
        revision: the registry's revision that the policy was adopted from.
    """

    case: Case
    proposed: str
    action: str
    cost: float
    strategy: str
    is_control: bool
    refused: frozenset[str]
    revision: int


@dataclass(frozen=True, slots=True, eq=False)
class JournaledBlock:
    """The decisions of one block, N of them.

    Attributes:
        keys: uint64 [N], as of ``Cases``.
        features: float32 [N, F], the score and the numbers of the route, NaN for missing.
        names: what the features are.
    """

    decisions: Sequence[JournaledDecision]
    keys: UInt64
    features: npt.NDArray[np.float32]
    names: tuple[str, ...]


def read_decisions(
    folders: Iterable[Path],
    query: CaseQuery,
    facts: Iterable[str],
    *,
    kept: UInt64,
    uplifts: UpliftsOf = no_uplifts,
) -> Iterator[JournaledBlock]:
    """The decisions whose keys are ``kept``, each once, with those of the ``facts`` that the journal has.

    Blocks whose inputs retention has left out have no decisions here. Raises OSError.
    """
    wanted = tuple(facts)
    left = set(kept.tolist())
    for records in read_records(folders, query.selection):
        arrays = chosen_rows(records, query.policy)
        if arrays is None or arrays.decisions is None or not arrays.has_inputs:
            continue
        keys = prediction_keys(arrays.call_ids, arrays.places)
        chosen = [place for place, key in enumerate(keys.tolist()) if key in left]
        left.difference_update(keys[chosen].tolist())
        if chosen:
            block = _block(arrays, records, keys, chosen, query.unit, wanted)
            _add_uplifts(block, chosen, arrays, uplifts(records))
            yield block


def facts_of(arrays: RowArrays, records: Records, wanted: Iterable[str]) -> list[dict[str, FactValue]]:
    """The facts of each row by name, without those that are missing."""
    found: list[dict[str, FactValue]] = [{} for _ in range(len(arrays))]
    for name in wanted:
        for facts, value in zip(found, _values(name, arrays, records), strict=True):
            if value is not None and value == value:  # noqa: PLR0124  NaN differs from itself
                facts[name] = value
    return found


def units_of(arrays: RowArrays, unit: str) -> list[str]:
    """The unit of each row; empty where the caller did not send it."""
    if not unit or unit == arrays.route.unit:
        return arrays.units
    if unit == UNIT_ENTITY:
        return arrays.entity_ids
    distinct = [unit_of(unit, "", context) for context in arrays.contexts]
    return [distinct[index] for index in arrays.context_index.tolist()]


def _block(
    arrays: RowArrays, records: Records, keys: UInt64, chosen: Sequence[int], unit: str, wanted: Sequence[str]
) -> JournaledBlock:
    decisions = arrays.decisions
    assert decisions is not None  # noqa: S101  the caller looked
    facts, units, ids = facts_of(arrays, records, wanted), units_of(arrays, unit), _case_ids(arrays, unit)
    times = arrays.times.tolist()
    made = [_decision(decisions, row, Case(ids[row], units[row], facts[row], times[row])) for row in chosen]
    features = np.column_stack([arrays.scores, arrays.numbers])[list(chosen)]
    return JournaledBlock(made, keys[list(chosen)], features, (SCORE, *arrays.route.numbers))


def _add_uplifts(
    block: JournaledBlock, chosen: Sequence[int], arrays: RowArrays, scores: Mapping[str, Sequence[float]]
) -> None:
    """Adds the scores of second models over the rows of the whole block to the facts of the decisions."""
    rows = range(arrays.height) if arrays.kept is None else np.flatnonzero(arrays.kept).tolist()
    for decision, place in zip(block.decisions, chosen, strict=True):
        facts = decision.case.facts
        assert isinstance(facts, dict)  # noqa: S101  made by facts_of
        facts |= {UPLIFT + ref: own[rows[place]] for ref, own in scores.items() if own[rows[place]] == own[rows[place]]}


def _decision(decisions: DecisionArrays, row: int, case: Case) -> JournaledDecision:
    named = dict(zip(NAMES, (decisions.texts[code] for code in decisions.names[row].tolist()), strict=True))
    refused = [action for action, _, kind in decisions.suppressed.get(row, ()) if kind not in STORE_FREE]
    is_control = bool(decisions.control[row])
    proposed = (named["withheld"] if is_control else refused[0] if refused else "") or named["action"]
    cost = float(decisions.numbers[row, NUMBERS.index("cost")])
    revision = decisions.policies[decisions.policy[row]][1]
    return JournaledDecision(
        case, proposed, named["action"], cost, named["strategy"], is_control, frozenset(refused), revision
    )


def _case_ids(arrays: RowArrays, unit: str) -> list[str]:
    """What the random numbers of each decision were made from."""
    rows = zip(
        arrays.call_ids.tolist(), arrays.places.tolist(), arrays.request_ids, units_of(arrays, unit), strict=True
    )
    return [case_id(f"{call.hex()}-{place}", request, place, own) for call, place, request, own in rows]


def _values(name: str, arrays: RowArrays, records: Records) -> Values:
    if name == SCORE:
        scores: list[float] = arrays.scores.tolist()
        return scores
    if name == BAND:
        return [None if band == NO_BAND else arrays.route.bands[band] for band in arrays.bands.tolist()]
    prefix, _, rest = name.partition(".")
    read = _PREFIXED.get(f"{prefix}.")
    return [None] * len(arrays) if read is None else read(rest, arrays, records)


def _feature(name: str, arrays: RowArrays, _records: Records) -> Values:
    if name in arrays.route.numbers:
        numbers: list[float] = arrays.numbers[:, arrays.route.numbers.index(name)].tolist()
        return numbers
    if name in arrays.route.categories:
        names = [*arrays.dictionary, None]
        return [names[code] for code in arrays.categories[:, arrays.route.categories.index(name)].tolist()]
    return [None] * len(arrays)


def _context(key: str, arrays: RowArrays, _records: Records) -> Values:
    values = [context.get(key) for context in arrays.contexts]
    return [values[index] for index in arrays.context_index.tolist()]


def _extra(name: str, arrays: RowArrays, records: Records) -> Values:
    found = extra_columns(records.raw, arrays.height).get(f"{EXTRA}{name}")
    if found is None:
        return [None] * len(arrays)
    kept = range(arrays.height) if arrays.kept is None else np.flatnonzero(arrays.kept).tolist()
    return [value if isinstance(value, float) else None for value in (found[row] for row in kept)]


def _flag(name: str, arrays: RowArrays, _records: Records) -> Values:
    if name == FLAG_FALLBACK:
        fallback: list[bool] = (arrays.reasons == pb.REASON_FALLBACK).tolist()
        return fallback
    if name not in _STATES:
        return [None] * len(arrays)
    states: list[bool] = (arrays.profile_states == _STATES[name]).tolist()
    return states


_Read: TypeAlias = Callable[[str, RowArrays, Any], Values]
_PREFIXED: Mapping[str, _Read] = {FEATURE: _feature, CONTEXT: _context, EXTRA: _extra, FLAG: _flag}
