"""Scored rows of one route as columns, read from journals: about 45 bytes a row, and no Python object per row."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntFlag
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.routing.assignment import NO_RULE
from scoreline_server.analysis.rows.facts import FactColumn, Levels, Numbers
from scoreline_server.analysis.rows.growing import GrowingArray
from scoreline_server.journal.format.blocks import Fault
from scoreline_server.journal.format.facts import RouteFacts
from scoreline_server.journal.reading.reader import Selection, read_records
from scoreline_server.journal.reading.row_arrays import NO_ARM, RowArrays

HOLDOUT = "holdout"

UInt64 = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.intp]

CHUNK = 1 << 20
"""Rows that are worked on at once, where intermediate arrays would be large."""

_PLACE_STEP = np.uint64(0x9E3779B97F4A7C15)
_WORD_STEP = np.uint64(0xC2B2AE3D27D4EB4F)


class Flag(IntFlag):
    """What is special about a row."""

    RETRY = 1
    DUPLICATE = 2
    UNASSIGNED = 4
    OVERRIDDEN = 8
    FAILED = 16
    FALLBACK = 32


LEFT_OUT = Flag.RETRY | Flag.DUPLICATE | Flag.UNASSIGNED | Flag.OVERRIDDEN
"""Flags of rows that expose no unit."""


@dataclass(frozen=True, slots=True)
class Version:
    """A model version as an arm meant it; ``cuts`` and ``bands`` are where its bands begin and their names."""

    arm: str
    model: str
    version: int
    cuts: tuple[float, ...] = ()
    bands: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Such as "credit@7"."""
        return f"{self.model}@{self.version}"


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares in force: of one rule, (arm, millionths). Empty shares: the journal does not have them."""

    rule: int
    millionths: tuple[tuple[str, int], ...]
    revision: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The rows of one route in the order of time, retries and all: N rows.

    Attributes:
        times: int64 [N], ns since 1970.
        keys: uint64 [N], identify prediction ids, see ``prediction_keys``.
        units: uint64 [N], identify units; a row without one is a unit of its own.
        arms: uint16 [N], the assigned arm or the holdout, indices into ``arm_names``.
        served: uint16 [N], the version that scored, indices into ``versions``.
        shares: uint16 [N], the shares in force, indices into ``share_list``.
        flags: uint8 [N], of Flag.
        scores: float32 [N], NaN for a failed row.
        latencies: float32 [N], ms from the call's arrival until the row was scored.
        revisions: by index of ``share_list``, the revisions with these shares.
        segments: by fact, its level in each row.
        covariate: float32 [N], None without one.
        experiments: the digests of the experiment sections that rows were journaled under.
        sampled: by shadow, the millionths of units that it scored last.
        shadow_versions: the versions that shadows meant, by (shadow, model, version).
    """

    times: npt.NDArray[np.int64]
    keys: UInt64
    units: UInt64
    arms: npt.NDArray[np.uint16]
    served: npt.NDArray[np.uint16]
    shares: npt.NDArray[np.uint16]
    flags: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]
    latencies: npt.NDArray[np.float32]
    arm_names: tuple[str, ...]
    versions: tuple[Version, ...]
    share_list: tuple[Shares, ...]
    revisions: tuple[tuple[int, ...], ...]
    segments: Mapping[str, Levels]
    covariate: Numbers | None
    experiments: frozenset[str]
    sampled: Mapping[str, int]
    shadow_versions: Mapping[tuple[str, str, int], Version]
    torn_tails: int
    damaged: int

    def __len__(self) -> int:
        return len(self.times)

    def without(self, *columns: str) -> "Predictions":
        """The same without some columns, whose memory is needed for others."""
        emptied = {name: column[:0].copy() for name in columns if (column := getattr(self, name)) is not None}
        return replace(self, **emptied)


def prediction_keys(call_ids: npt.NDArray[np.void], places: npt.NDArray[np.uint16]) -> UInt64:
    """64 bits per prediction id [N], from its call's 12 bytes and the row's index in the call.

    A call id holds at least 8 random bytes: among 10 million some two share 64 bits with a probability of 3 in a
    million.
    """
    return call_keys(call_ids) + places.astype(np.uint64) * _PLACE_STEP


def call_keys(call_ids: npt.NDArray[np.void]) -> UInt64:
    """64 bits per call id [N] of 12 bytes."""
    words = np.ascontiguousarray(call_ids).view("<u4").reshape(-1, 3).astype(np.uint64)
    return (words[:, 1] << np.uint64(32) | words[:, 2]) + words[:, 0] * _WORD_STEP


def read_predictions(
    folders: Iterable[Path], selection: Selection, *, segments: Iterable[str] = (), covariate: str = ""
) -> Predictions:
    """The rows of one route. ``segments`` and ``covariate`` are facts, "feature.<name>" or "context.<key>"."""
    collected = _Collected(
        {fact: FactColumn(fact) for fact in segments}, FactColumn(covariate, numeric=True) if covariate else None
    )
    for records in read_records(folders, selection, on_fault=collected.add_fault):
        collected.add(records.arrays)
    return collected.predictions()


_TYPES: Mapping[str, npt.DTypeLike] = {
    "times": np.int64, "keys": np.uint64, "places": np.uint16, "requests": np.uint32, "units": np.uint64,
    "arms": np.uint16, "served": np.uint16, "shares": np.uint16, "flags": np.uint8, "scores": np.float32,
    "latencies": np.float32,
}  # fmt: skip


def _growing() -> dict[str, GrowingArray]:
    return {name: GrowingArray(dtype) for name, dtype in _TYPES.items()}


@dataclass(slots=True)
class _Collected:
    """Columns while they are read."""

    segments: dict[str, FactColumn]
    covariate: FactColumn | None
    columns: dict[str, GrowingArray] = field(default_factory=_growing)
    arm_names: dict[str, int] = field(default_factory=dict)
    versions: dict[Version, int] = field(default_factory=dict)
    share_list: dict[Shares, int] = field(default_factory=dict)
    revisions: dict[int, set[int]] = field(default_factory=dict)
    experiments: set[str] = field(default_factory=set)
    sampled: dict[str, int] = field(default_factory=dict)
    shadow_versions: dict[tuple[str, str, int], Version] = field(default_factory=dict)
    torn_tails: int = 0
    damaged: int = 0

    def add_fault(self, _path: Path, fault: Fault) -> None:
        """Counts what cannot be read."""
        self.torn_tails += fault.is_torn
        self.damaged += not fault.is_torn

    def add(self, arrays: RowArrays) -> None:
        """Appends the rows of a block."""
        self._describe(arrays.route)
        keys = prediction_keys(arrays.call_ids, arrays.places)
        units = arrays.unit_keys
        found: dict[str, npt.NDArray[Any]] = {
            "times": arrays.times,
            "keys": keys,
            "places": arrays.places,
            "requests": _halves(arrays.request_keys),
            "units": np.where(units == 0, keys, units),
            "arms": self._arms(arrays),
            "served": self._served(arrays),
            "shares": self._shares(arrays),
            "flags": _flags(arrays),
            "scores": arrays.scores,
            "latencies": arrays.latencies_ms,
        }
        for name, column in found.items():
            self.columns[name].append(column)
        for fact in [*self.segments.values(), *([self.covariate] if self.covariate else [])]:
            fact.add(arrays)

    def predictions(self) -> Predictions:
        """The columns, in the order of time; lets go of what was read."""
        times = self.columns["times"].taken()
        in_order = bool((times[1:] >= times[:-1]).all())
        order = None if in_order else np.argsort(times, kind="stable")

        def ordered(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return column if order is None else column[order]

        def taken(name: str) -> npt.NDArray[Any]:
            return ordered(self.columns[name].taken())

        flags, keys, units = taken("flags"), taken("keys"), taken("units")
        flags[_later(keys)] |= np.uint8(Flag.DUPLICATE)
        requests, places = taken("requests"), taken("places")
        flags[_retried(requests, units, keys, places, flags)] |= np.uint8(Flag.RETRY)
        del requests, places
        return Predictions(
            times=ordered(times),
            keys=keys,
            units=units,
            arms=taken("arms"),
            served=taken("served"),
            shares=taken("shares"),
            flags=flags,
            scores=taken("scores"),
            latencies=taken("latencies"),
            arm_names=tuple(self.arm_names),
            versions=tuple(self.versions),
            share_list=tuple(self.share_list),
            revisions=tuple(tuple(sorted(self.revisions[index])) for index in range(len(self.share_list))),
            segments={fact: _levels_of(column.levels(), ordered) for fact, column in self.segments.items()},
            covariate=ordered(self.covariate.numbers()) if self.covariate else None,
            experiments=frozenset(self.experiments),
            sampled=dict(self.sampled),
            shadow_versions=dict(self.shadow_versions),
            torn_tails=self.torn_tails,
            damaged=self.damaged,
        )

    def _describe(self, route: RouteFacts) -> None:
        self.experiments.add(route.experiment)
        for shadow in route.shadows:
            self.sampled[shadow.ref] = shadow.sample_millionths
            self.shadow_versions[shadow.ref, shadow.model, shadow.version] = Version(
                shadow.ref, shadow.model, shadow.version, shadow.cuts, shadow.bands
            )

    def _arms(self, arrays: RowArrays) -> npt.NDArray[np.uint16]:
        table = [self.arm_names.setdefault(arm.ref, len(self.arm_names)) for arm in arrays.route.arms]
        arms = np.array([*table, 0], np.uint16)[np.where(arrays.assigned == NO_ARM, len(table), arrays.assigned)]
        held = arrays.reasons == pb.REASON_HOLDOUT
        if held.any():
            arms[held] = self.arm_names.setdefault(HOLDOUT, len(self.arm_names))
        return arms

    def _served(self, arrays: RowArrays) -> npt.NDArray[np.uint16]:
        versions = [Version(arm.ref, arm.model, arm.version, arm.cuts, arm.bands) for arm in arrays.route.arms]
        table = [self.versions.setdefault(version, len(self.versions)) for version in versions]
        served: npt.NDArray[np.uint16] = np.array(table, np.uint16)[arrays.served]
        return served

    def _shares(self, arrays: RowArrays) -> npt.NDArray[np.uint16]:
        """The index of the shares in force; of rows without a rule those of revision and reason, which are unknown."""
        route = arrays.route
        if not route.rules:
            table = [self._index(Shares(0, (), route.revision), route.revision)]
            table.append(self._index(Shares(1, (), route.revision), route.revision))
            is_match = (arrays.reasons == pb.REASON_RULE_MATCH).astype(np.intp)
            unknown: npt.NDArray[np.uint16] = np.array(table, np.uint16)[is_match]
            return unknown
        shares = [Shares(rule, tuple(facts.shares.items())) for rule, facts in enumerate(route.rules)]
        table = [self._index(one, route.revision) for one in shares]
        rules = np.where(arrays.rules == NO_RULE, len(table) - 1, arrays.rules)
        known: npt.NDArray[np.uint16] = np.array(table, np.uint16)[rules]
        return known

    def _index(self, shares: Shares, revision: int) -> int:
        index = self.share_list.setdefault(shares, len(self.share_list))
        self.revisions.setdefault(index, set()).add(revision)
        return index


def _flags(arrays: RowArrays) -> npt.NDArray[np.uint8]:
    reasons = arrays.reasons
    flags = np.where(arrays.assigned == NO_ARM, Flag.UNASSIGNED, 0).astype(np.uint8)
    forced = reasons == pb.REASON_OVERRIDE
    if arrays.route.rules:
        # A fallback hides whether the unit has an override or is held out: it counts as neither.
        forced = forced | ((arrays.rules == NO_RULE) & (reasons != pb.REASON_HOLDOUT))
    flags[forced] |= np.uint8(Flag.OVERRIDDEN)
    flags[arrays.failed] |= np.uint8(Flag.FAILED)
    flags[reasons == pb.REASON_FALLBACK] |= np.uint8(Flag.FALLBACK)
    return flags


def _halves(keys: UInt64) -> npt.NDArray[np.uint32]:
    """32 bits of each fingerprint; 0 for none only."""
    halves = keys.astype(np.uint32)
    halves[(halves == 0) & (keys != 0)] = 1
    return halves


def _later(keys: UInt64) -> Rows:
    """The rows whose key an earlier row has."""
    rows = _shared(keys)
    order = rows[np.argsort(keys[rows], kind="stable")]
    later: Rows = order[1:][keys[order[1:]] == keys[order[:-1]]]
    return later


def _retried(
    requests: npt.NDArray[np.uint32], units: UInt64, keys: UInt64, places: npt.NDArray[np.uint16],
    flags: npt.NDArray[np.uint8],
) -> Rows:  # fmt: skip
    """The rows whose request id and unit an earlier call has: 96 bits tell them apart from all others."""
    asked = units ^ (requests * _WORD_STEP)
    rows = _shared(asked)
    rows = rows[(requests[rows] != 0) & (flags[rows] & Flag.DUPLICATE == 0)]
    order: Rows = rows[np.argsort(asked[rows], kind="stable")]
    if not len(order):
        return order
    starts = np.flatnonzero(np.append(True, asked[order[1:]] != asked[order[:-1]]))
    calls = keys[order] - places[order].astype(np.uint64) * _PLACE_STEP
    retried: Rows = order[calls != np.repeat(calls[starts], np.diff(np.append(starts, len(order))))]
    return retried


def _shared(keys: UInt64) -> Rows:
    """The rows whose key another row has too, ascending. Most keys are distinct: sorting a copy needs no index."""
    ordered = np.sort(keys)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    del ordered
    if not len(twice):
        return np.zeros(0, np.intp)
    parts = range(0, len(keys), CHUNK)
    return np.concatenate([part + np.flatnonzero(_among(keys[part : part + CHUNK], twice)) for part in parts])


def _among(keys: UInt64, ordered: UInt64) -> npt.NDArray[np.bool_]:
    places = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    return np.asarray(ordered[places] == keys)


def _levels_of(levels: Levels, ordered: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Levels:
    return Levels(levels.names, ordered(levels.codes))
