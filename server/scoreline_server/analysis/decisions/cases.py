"""The cases that a policy decided on as columns, read from journals; no Python object per row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.decisions.actions import NO_ACTION
from scoreline_registry.routing.assignment import unit_of
from scoreline_registry.routing.route import UNIT_ENTITY
from scoreline_server.analysis.rows.facts import FactColumn, Levels
from scoreline_server.analysis.rows.growing import GrowingArray
from scoreline_server.analysis.rows.predictions import call_keys, prediction_keys
from scoreline_server.journal.format.decisions import NAMES, NUMBERS, DecisionArrays
from scoreline_server.journal.format.fingerprints import UInt64, text_keys
from scoreline_server.journal.reading.reader import OnFault, Selection, ignore, read_records
from scoreline_server.journal.reading.records import Records
from scoreline_server.journal.reading.row_arrays import RowArrays

STORE_FREE = frozenset({"quiet_hours"})
"""Kinds of limits that meet control units as well: what they forbid is proposed to nobody."""

_STEP = np.uint64(0xC2B2AE3D27D4EB4F)

Codes = npt.NDArray[np.uint16]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class CaseQuery:
    """Which cases.

    Attributes:
        policy: that decided on them, by name.
        unit: what the policy counts by, "entity_id" or "context.<key>"; empty for the unit of the route.
        route: whose scores it decides on; empty for any.
        since, until: decided in [since, until), ns since 1970; None for open.
        segments: facts, "feature.<name>" or "context.<key>".
        numbers: facts that are read as numbers.
    """

    policy: str
    unit: str = ""
    route: str = ""
    since: int | None = None
    until: int | None = None
    segments: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    @property
    def selection(self) -> Selection:
        """The rows of journals that it may have."""
        return Selection(self.route or None, self.since, self.until)


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """The cases of one policy in the order of time, each once: N cases.

    Attributes:
        times: int64 [N], ns since 1970.
        keys, units: uint64 [N], identify decisions and units; a case without a unit is a unit of its own.
        texts: what the codes uint16 [N] below point to; the first is empty.
        strategies, rules, actions, variants: of the decision.
        proposed: the action that ranked first before the limits of stores: what a control unit would have got, and what
            others got unless a limit refused it.
        revisions: int64 [N], the registry's revision that the policy was adopted from.
        control: bool [N], units of the control share.
        propensities, expected, costs: float64 [N]; of the action, NaN for an unknown value.
        scores: float32 [N].
        routes: the routes whose scores were decided on.
        segments: by fact, its level in each case.
        numbers: by fact, float32 [N], NaN where it is no number.
        repeated: retries and decisions that were read twice, which are left out.
        damaged: stretches of files that cannot be read.
    """

    times: Int64
    keys: UInt64
    units: UInt64
    texts: Sequence[str]
    strategies: Codes
    rules: Codes
    actions: Codes
    variants: Codes
    proposed: Codes
    revisions: Int64
    control: Bool
    propensities: Float64
    expected: Float64
    costs: Float64
    scores: npt.NDArray[np.float32]
    routes: tuple[str, ...]
    segments: Mapping[str, Levels]
    numbers: Mapping[str, npt.NDArray[np.float32]]
    repeated: int = 0
    damaged: int = 0

    def __len__(self) -> int:
        return len(self.times)

    @property
    def names(self) -> tuple[str, ...]:
        """The actions that were proposed in some case, without "none", the most frequent first."""
        counts = np.bincount(self.proposed, minlength=len(self.texts))
        order = np.argsort(-counts, kind="stable").tolist()
        return tuple(self.texts[code] for code in order if counts[code] and self.texts[code] not in ("", NO_ACTION))

    def proposing(self, action: str) -> Bool:
        """The cases for which an action was proposed."""
        return np.asarray(self.proposed == self.code(action))

    @property
    def granted(self) -> Bool:
        """The cases that got what was proposed."""
        return np.asarray((self.actions == self.proposed) & ~self.control)

    def code(self, text: str) -> int:
        """The code of a text; one that no case has where it is unknown."""
        return self.texts.index(text) if text in self.texts else len(self.texts)


def read_cases(folders: Iterable[Path], query: CaseQuery, *, on_fault: OnFault = ignore) -> Cases:
    """The cases of a policy. Raises OSError."""
    collected = _Collected(
        query,
        {fact: FactColumn(fact) for fact in query.segments},
        {fact: FactColumn(fact, numeric=True) for fact in query.numbers},
    )

    def counted(path: Path, fault: Any) -> None:
        collected.damaged += not fault.is_torn
        on_fault(path, fault)

    for records in read_records(folders, query.selection, on_fault=counted):
        collected.add(records)
    return collected.cases()


def chosen_rows(records: Records, policy: str) -> RowArrays | None:
    """The rows of a block that a policy decided for; None for none."""
    everything = RowArrays(records.route, records.raw)
    if everything.decisions is None:
        return None
    mask = decided_by(everything.decisions, policy)
    if records.kept is not None:
        mask = mask & records.kept
    return replace(everything, kept=mask) if mask.any() else None


def decided_by(decisions: DecisionArrays, policy: str) -> Bool:
    """The rows that a policy of this name decided for."""
    places = [place for place, (name, _) in enumerate(decisions.policies) if name == policy]
    return np.isin(decisions.policy, places)


_TYPES: Mapping[str, npt.DTypeLike] = {
    "times": np.int64, "keys": np.uint64, "calls": np.uint64, "requests": np.uint64, "units": np.uint64,
    "strategies": np.uint16, "rules": np.uint16, "actions": np.uint16, "variants": np.uint16, "proposed": np.uint16,
    "revisions": np.int64, "control": np.bool_, "propensities": np.float64, "expected": np.float64,
    "costs": np.float64, "scores": np.float32,
}  # fmt: skip
_NAMED = {"strategies": "strategy", "rules": "rule", "actions": "action", "variants": "variant"}
_NUMBERED = {"propensities": "propensity", "expected": "expected_value", "costs": "cost"}


@dataclass(slots=True)
class _Collected:
    """Columns while they are read."""

    query: CaseQuery
    segments: dict[str, FactColumn]
    numbers: dict[str, FactColumn]
    columns: dict[str, GrowingArray] = field(default_factory=lambda: {n: GrowingArray(t) for n, t in _TYPES.items()})
    texts: dict[str, int] = field(default_factory=lambda: {"": 0, NO_ACTION: 1})
    routes: dict[str, None] = field(default_factory=dict)
    damaged: int = 0

    def add(self, records: Records) -> None:
        """Appends the cases of a block."""
        arrays = chosen_rows(records, self.query.policy)
        if arrays is None or arrays.decisions is None:
            return
        self.routes[arrays.route.route] = None
        decisions = arrays.decisions
        table = np.array([self.texts.setdefault(text, len(self.texts)) for text in decisions.texts], np.uint16)
        named = {name: table[decisions.names[:, NAMES.index(column)]] for name, column in _NAMED.items()}
        found: dict[str, npt.NDArray[Any]] = {
            "times": arrays.times,
            "keys": prediction_keys(arrays.call_ids, arrays.places),
            "calls": call_keys(arrays.call_ids),
            "requests": arrays.request_keys,
            "units": _units(arrays, self.query.unit),
            "proposed": self._proposed(decisions, named["actions"], table),
            "revisions": np.array([revision for _, revision in decisions.policies], np.int64)[decisions.policy],
            "control": decisions.control,
            "scores": arrays.scores,
            **named,
            **{name: decisions.numbers[:, NUMBERS.index(column)] for name, column in _NUMBERED.items()},
        }
        for name, column in found.items():
            self.columns[name].append(column)
        for fact in (*self.segments.values(), *self.numbers.values()):
            fact.add(arrays)

    def _proposed(self, decisions: DecisionArrays, actions: Codes, table: Codes) -> Codes:
        """What ranked first: what was withheld from the control, what the first limit refused, else the action."""
        withheld = table[decisions.names[:, NAMES.index("withheld")]]
        proposed = np.where(decisions.control & (withheld != 0), withheld, actions)
        for row, refused in decisions.suppressed.items():
            first = next((action for action, _, kind in refused if kind not in STORE_FREE), "")
            if first and not decisions.control[row]:
                proposed[row] = self.texts.setdefault(first, len(self.texts))
        return proposed

    def cases(self) -> Cases:
        """The columns in the order of time, without repetitions; lets go of what was read."""
        taken = {name: column.taken() for name, column in self.columns.items()}
        segments = {fact: column.levels() for fact, column in self.segments.items()}
        numbers = {fact: column.numbers() for fact, column in self.numbers.items()}
        order = np.argsort(taken["times"], kind="stable")
        keys, calls, requests = (taken.pop(name)[order] for name in ("keys", "calls", "requests"))
        units = taken["units"][order]
        first = ~_is_repeated(keys, calls, requests, units)
        kept = order[first]
        taken.pop("units")
        return Cases(
            keys=keys[first],
            units=np.where(units == 0, keys, units)[first],
            texts=tuple(self.texts),
            routes=tuple(self.routes),
            segments={fact: Levels(levels.names, levels.codes[kept]) for fact, levels in segments.items()},
            numbers={fact: values[kept] for fact, values in numbers.items()},
            repeated=len(order) - len(kept),
            damaged=self.damaged,
            **{name: column[kept] for name, column in taken.items()},
        )


def _units(arrays: RowArrays, unit: str) -> UInt64:
    """The fingerprints of the policy's units, 0 for none."""
    if not unit or unit == arrays.route.unit:
        return arrays.unit_keys
    if unit == UNIT_ENTITY:
        return text_keys(arrays.entity_ids)
    return text_keys([unit_of(unit, "", context) for context in arrays.contexts])[arrays.context_index]


def _is_repeated(keys: UInt64, calls: UInt64, requests: UInt64, units: UInt64) -> Bool:
    """The cases, in the order of time, that an earlier one repeats: its key, or its request id and unit, a retry."""
    repeated = np.ones(len(keys), bool)
    repeated[np.unique(keys, return_index=True)[1]] = False
    asked = np.flatnonzero((requests != 0) & ~repeated)
    if len(asked):
        pairs = units[asked] ^ (requests[asked] * _STEP)
        _, first, of_pair = np.unique(pairs, return_index=True, return_inverse=True)
        repeated[asked] = calls[asked] != calls[asked][first][of_pair]
    return repeated
