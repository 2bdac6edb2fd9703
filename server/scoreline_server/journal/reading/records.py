"""The rows of a block as named columns."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.routing.assignment import NO_RULE
from scoreline_server.journal.format.columns import RAGGED_COLUMNS, Column, unpacked
from scoreline_server.journal.format.decisions import decision_columns, decision_types
from scoreline_server.journal.format.extras import extra_columns, extra_types
from scoreline_server.journal.format.facts import FileFacts, RouteFacts
from scoreline_server.journal.format.privacy import HASH_BYTES
from scoreline_server.journal.format.reasons import reason_columns, reason_types
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.journal.reading.row_arrays import NO_ARM, RowArrays
from scoreline_server.scoring.compiled_route import NO_BAND

Values = Sequence[Any]

FIXED: Mapping[str, str] = {
    "prediction_id": "string",
    "time": "timestamp",
    "route": "string",
    "revision": "int64",
    "unit": "string",
    "entity_id": "string",
    "request_id": "string",
    "reason": "string",
    "rule": "int32",
    "share": "float64",
    "assigned_arm": "string",
    "arm": "string",
    "model": "string",
    "version": "int64",
    "model_digest": "string",
    "score": "float32",
    "band": "string",
    "error": "string",
    "missing": "int32",
    "defaulted": "int32",
    "unseen": "int32",
    "clipped": "int32",
    "profile_state": "string",
    "latency_ms": "float64",
    "context": "string",
    "schema_digest": "string",
    "onnxruntime": "string",
    "host": "string",
    "worker": "int32",
}
"""The columns of every row and their types. A missing value is None; ``context`` is a JSON object."""

SHADOW_FIXED: Mapping[str, str] = {
    "prediction_id": "string",
    "time": "timestamp",
    "route": "string",
    "revision": "int64",
    "shadow": "string",
    "model": "string",
    "version": "int64",
    "model_digest": "string",
    "score": "float32",
    "error": "string",
    "latency_ms": "float64",
}
"""The columns of a shadow's score; ``prediction_id`` is that of the row that was answered.

``latency_ms`` is the run time of the batch that the row was scored in, None in files of older writers.
"""


_QUALITY = ("missing", "defaulted", "unseen", "clipped")


@dataclass(frozen=True)
class Records:
    """The rows of one block.

    ``time`` is in ns since 1970, when a row was scored; ``latency_ms`` is from its call's arrival to that moment.
    ``kept`` marks the selected rows, None for all; rows that are forgotten are not among them.
    """

    file: FileFacts
    route: RouteFacts
    raw: Mapping[int, memoryview]
    kept: npt.NDArray[np.bool_] | None = None

    @classmethod
    def read(cls, body: bytes, file: FileFacts, routes: Mapping[int, RouteFacts]) -> "Records":
        """Parses a block's body. Raises ValueError or KeyError where it is invalid."""
        raw = unpacked(body)
        facts = json.loads(bytes(raw[Column.FACTS]))
        kept = np.frombuffer(raw[Column.FORGOTTEN], "u1") == 0 if Column.FORGOTTEN in raw else None
        return cls(file, routes[facts["route"]], raw, kept)

    def __len__(self) -> int:
        return self._count if self.kept is None else int(self.kept.sum())

    @cached_property
    def types(self) -> Mapping[str, str]:
        """The type of each column: those of FIXED, then ``<what>.<name>``.

        ``what`` is feature, hash, step, neighbor, extra or decision; ``reasons`` is there where some row has any. Rows
        whose inputs retention has left out have none.
        """
        return {
            **FIXED,
            **{f"feature.{name}": "float32" for name in self.route.numbers},
            **{f"feature.{name}": "string" for name in self.route.categories},
            **{f"hash.{name}": "string" for name in self.route.hashed},
            **{f"{kind.item}.{name}": "float32s" for kind, names in self.route.ragged.items() for name in names},
            **extra_types(self.raw),
            **reason_types(self.raw),
            **decision_types(self.raw),
        }

    @cached_property
    def columns(self) -> Mapping[str, Values]:
        """The values of each column that is kept, as ``types`` orders them."""
        everything = {
            **self._fixed(),
            **self._features(),
            **self._ragged(),
            **extra_columns(self.raw, self._count),
            **reason_columns(self.raw),
            **decision_columns(self.raw, self._count),
        }
        if self.kept is None:
            return everything
        rows = np.flatnonzero(self.kept).tolist()
        return {name: [values[row] for row in rows] for name, values in everything.items()}

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows one by one, as plain values."""
        names = list(self.columns)
        for values in zip(*self.columns.values(), strict=True):
            yield dict(zip(names, values, strict=True))

    @cached_property
    def arrays(self) -> RowArrays:
        """The same rows as NumPy arrays, which costs a fraction of ``columns``."""
        return replace(self._block, kept=self.kept)

    @property
    def times(self) -> npt.NDArray[np.int64]:
        """When each row of the block was scored, in ns since 1970: int64 [rows of the block]."""
        return self._block.times

    @cached_property
    def call_keys(self) -> list[tuple[str, str]]:
        """The route and the request id of each row of the block; equal for a call and its retries."""
        return [(self.route.route, id_) for id_ in self._block.request_ids]

    @cached_property
    def prediction_ids(self) -> list[str]:
        """The prediction id of each row of the block."""
        block = self._block
        return [
            f"{call.hex()}-{place}" for call, place in zip(block.call_ids.tolist(), block.places.tolist(), strict=True)
        ]

    @cached_property
    def _block(self) -> RowArrays:
        """All rows of the block, selected or not."""
        return RowArrays(self.route, self.raw)

    @property
    def _count(self) -> int:
        return self._block.height

    def _fixed(self) -> dict[str, Values]:
        count, route, block = self._count, self.route, self._block
        errors = block.errors
        arms = [route.arms[arm] if row not in errors else None for row, arm in enumerate(block.served.tolist())]
        contexts = [json.dumps(context, ensure_ascii=False) if context else None for context in block.contexts]
        return {
            "prediction_id": self.prediction_ids,
            "time": block.times.tolist(),
            "route": [route.route] * count,
            "revision": [route.revision] * count,
            "unit": block.units,
            "entity_id": block.entity_ids,
            "request_id": [id_ or None for id_ in block.request_ids],
            "reason": _reasons(block.reasons, errors),
            "rule": [None if rule == NO_RULE else rule for rule in block.rules.tolist()],
            "share": _or_none(block.shares),
            "assigned_arm": [None if arm == NO_ARM else route.arms[arm].ref for arm in block.assigned.tolist()],
            "arm": [arm and arm.ref for arm in arms],
            "model": [arm and arm.model for arm in arms],
            "version": [arm and arm.version for arm in arms],
            "model_digest": [arm and arm.digest for arm in arms],
            "score": _or_none(block.scores),
            "band": [None if band == NO_BAND else route.bands[band] for band in block.bands.tolist()],
            "error": [errors.get(row) for row in range(count)],
            **{name: block.quality[:, at].tolist() for at, name in enumerate(_QUALITY)},
            "profile_state": _profile_states(block.profile_states),
            "latency_ms": (block.microseconds / 1000).tolist(),
            "context": [contexts[index] for index in block.context_index.tolist()],
            "schema_digest": [route.schema_digest] * count,
            "onnxruntime": [self.file.onnxruntime] * count,
            "host": [self.file.host] * count,
            "worker": [self.file.worker] * count,
        }

    def _features(self) -> dict[str, Values]:
        features: dict[str, Values] = {}
        numbers, codes = self._block.numbers, self._block.categories
        features |= {f"feature.{name}": _or_none(numbers[:, at]) for at, name in enumerate(self.route.numbers)}
        names = [*self._block.dictionary, None]
        for at, name in enumerate(self.route.categories):
            features[f"feature.{name}"] = [names[code] for code in codes[:, at].tolist()]
        if self.route.hashed:
            hashes = np.frombuffer(self.raw[Column.HASHES], f"V{HASH_BYTES}").reshape(self._count, -1)
            for at, name in enumerate(self.route.hashed):
                features[f"hash.{name}"] = [hashed.hex() if any(hashed) else None for hashed in hashes[:, at].tolist()]
        return features

    def _ragged(self) -> dict[str, Values]:
        """One list per row and feature of each ragged input."""
        lists: dict[str, Values] = {}
        for kind, names in self.route.ragged.items():
            if names:
                counts, values = RAGGED_COLUMNS[kind.name]
                block = np.frombuffer(self.raw[values], "<f4").reshape(-1, len(names))
                ends = np.cumsum([0, *np.frombuffer(self.raw[counts], "<i4")]).tolist()
                for at, name in enumerate(names):
                    lists[f"{kind.item}.{name}"] = [_or_none(block[start:end, at]) for start, end in pairwise(ends)]
        return lists


def shadow_columns(scores: ShadowScores) -> Mapping[str, Values]:
    """The values of each column of SHADOW_FIXED."""
    count = len(scores)
    return {
        "prediction_id": scores.prediction_ids,
        "time": [scores.nanoseconds] * count,
        "route": [scores.route] * count,
        "revision": [scores.revision] * count,
        "shadow": [scores.ref] * count,
        "model": [scores.model] * count,
        "version": [scores.version] * count,
        "model_digest": [scores.digest] * count,
        "score": _or_none(scores.scores),
        "error": [scores.errors.get(row) for row in range(count)],
        "latency_ms": [scores.microseconds / 1000 or None] * count,
    }


def height(columns: Mapping[str, Values]) -> int:
    """How many rows some columns have; they are never none at all."""
    return len(next(iter(columns.values())))


def _or_none(numbers: npt.NDArray[np.floating[Any]]) -> list[float | None]:
    """Numbers with None for NaN."""
    return [None if number != number else number for number in numbers.tolist()]  # noqa: PLR0124  NaN differs from itself


def _profile_states(states: npt.NDArray[np.uint8]) -> list[str | None]:
    """READ, NEW or UNREACHABLE; None where no profile was read."""
    names = {value: name.removeprefix("PROFILE_STATE_") for name, value in pb.ProfileState.items() if value}
    return [names.get(state) for state in states.tolist()]


def _reasons(reasons: npt.NDArray[np.uint8], errors: Mapping[int, str]) -> list[str | None]:
    names = {value: name.removeprefix("REASON_") for name, value in pb.Reason.items()}
    return [None if row in errors else names[reason] for row, reason in enumerate(reasons.tolist())]
