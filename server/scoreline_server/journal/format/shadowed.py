"""Scores of shadows: blocks of their own, written after the rows that they belong to and naming them by their ids."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from scoreline_server.journal.format.blocks import Kind, framed
from scoreline_server.journal.format.columns import Column, packed, packed_json, unpacked
from scoreline_server.scoring.wire import CALL_ID_BYTES


@dataclass(frozen=True, slots=True)
class ShadowScores:
    """The scores of N rows of one route by one shadow.

    Attributes:
        route, revision: those of the route.
        ref: the shadow as the route names it.
        model, version, digest: the version that it meant.
        call_ids: the call of each row, 12 bytes each.
        places: uint16 [N], each row's index in its call.
        scores: float32 [N], NaN where there is an error.
        errors: why rows have no score, by row.
        nanoseconds: when they were scored, since 1970.
        microseconds: how long that took, all of them together; 0 in files of older writers.
    """

    route: str
    revision: int
    ref: str
    model: str
    version: int
    digest: str
    call_ids: bytes
    places: npt.NDArray[np.uint16]
    scores: npt.NDArray[np.float32]
    errors: Mapping[int, str] = field(default_factory=dict)
    nanoseconds: int = field(default_factory=time.time_ns)
    microseconds: int = 0

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def prediction_ids(self) -> list[str]:
        """The id of each row, as its caller has it."""
        calls = np.frombuffer(self.call_ids, f"V{CALL_ID_BYTES}").tolist()
        return [f"{call.hex()}-{place}" for call, place in zip(calls, self.places.tolist(), strict=True)]

    def block(self) -> bytes:
        """The encoded block."""
        facts = {"rows": len(self), "time": self.nanoseconds, "microseconds": self.microseconds}
        facts |= {name: getattr(self, name) for name in _FACTS}
        columns: dict[Column, bytes] = {
            Column.FACTS: packed_json(facts),
            Column.CALL_IDS: self.call_ids,
            Column.PLACES: self.places.astype("<u2", copy=False).tobytes(),
            Column.SCORES: self.scores.astype("<f4", copy=False).tobytes(),
        }
        if self.errors:
            columns[Column.ERRORS] = packed_json(dict(self.errors))
        return framed(Kind.SHADOWS, packed(columns))

    @classmethod
    def read(cls, body: bytes) -> "ShadowScores":
        """The scores that a body is. Raises ValueError or KeyError where it is none."""
        columns = unpacked(body)
        facts = json.loads(bytes(columns[Column.FACTS]))
        errors = json.loads(bytes(columns[Column.ERRORS])) if Column.ERRORS in columns else {}
        return cls(
            **{name: facts[name] for name in _FACTS},
            call_ids=bytes(columns[Column.CALL_IDS]),
            places=np.frombuffer(columns[Column.PLACES], "<u2"),
            scores=np.frombuffer(columns[Column.SCORES], "<f4"),
            errors={int(row): reason for row, reason in errors.items()},
            nanoseconds=facts["time"],
            microseconds=facts.get("microseconds", 0),
        )


_FACTS = ("route", "revision", "ref", "model", "version", "digest")
