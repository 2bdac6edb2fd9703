"""Journals of millions of rows, written in seconds: real files, route descriptions, buckets and blocks, made-up scores.

Make a plan, write it, and ask the same plan for what is in it, block by block::

    plan = ManyRows(rows=10_000_000, steps=(10, 50), shift=0.01)
    write_rows(tmp_path / "journal", plan)
    for block in plan.blocks():
        block.call_ids, block.challenged, block.scores, block.unit_numbers  # arrays of up to 16,384 rows

A row's prediction id is ``block.call_ids[row].tobytes().hex() + "-0"``, its unit ``unit_name(number)``. Ten million
rows take about a minute and 0.6 GB of disk; a thousand a few milliseconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.routing.assignment import layer_salt
from scoreline_registry.routing.bucketing import WHOLE, UnitHasher
from scoreline_registry.routing.route import UNIT_ENTITY
from scoreline_server.journal.format.blocks import Kind, framed
from scoreline_server.journal.format.columns import Column, packed, packed_json
from scoreline_server.journal.format.facts import ArmFacts, RouteFacts, RuleFacts, ShadowFacts
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.journal.writing.file import Disk, JournalFile, begin
from tests.server.journals import FACTS

BLOCK_ROWS = 16384
CHAMPION, CHALLENGER, SHADOW = "champion@1", "challenger@1", "shadow@1"
OCTOBER = 1_790_812_800 * 10**9
"""2026-10-01T00:00:00Z in ns since 1970."""

_FILE_BLOCKS = 128
_DIGITS = 10
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_BANDS, _CUTS = ("low", "high"), (0.0, 0.5)


@dataclass(frozen=True)
class ManyRows:
    """What is journaled: one route with two arms, one row per call, evenly spread over time.

    Attributes:
        rows: how many rows.
        units: how many units they are of, drawn at random; None for one row per unit.
        steps: the challenger's share in percent, by period: the rows are cut into as many equal parts, each of a later
            revision of the route.
        shift: what the challenger's scores are higher by.
        failing: the share of the challenger's rows that fail with MODEL_FAILED and fall back to the champion.
        retry_every: each row of so many is a retry of the one before, by its request id; 0 for no request ids.
        shadowed: whether a shadow scores every row too.
        channels: the values of the context's ``channel``, drawn at random.
        numbers: the number features; standard normal. A score grows with the first.
        per_second: how many rows are scored in a second.
        start: when the first row is scored, ns since 1970.
        seed: of everything that is drawn.
    """

    rows: int
    units: int | None = None
    steps: tuple[float, ...] = (50.0,)
    shift: float = 0.0
    failing: float = 0.0
    retry_every: int = 0
    shadowed: bool = False
    channels: tuple[str, ...] = ("web", "branch")
    numbers: tuple[str, ...] = ("balance", "age")
    per_second: float = 1000.0
    start: int = OCTOBER
    seed: int = 0

    def route(self, step: int) -> RouteFacts:
        """The route's description in a period."""
        share = round(self.steps[step] / 100 * WHOLE)
        shadow = ShadowFacts(SHADOW, "shadow", 1, "c" * 64, WHOLE, _CUTS, _BANDS)
        return RouteFacts(
            key=step + 1, route="credit", revision=step + 1, unit=UNIT_ENTITY, schema_digest="s" * 64,
            numbers=self.numbers, categories=(), hashed=(), left_out=(), step_features=(), bands=_BANDS,
            arms=(ArmFacts(CHAMPION, "champion", 1, "a" * 64, _CUTS, _BANDS),
                  ArmFacts(CHALLENGER, "challenger", 1, "b" * 64, _CUTS, _BANDS)),
            rules=(RuleFacts({CHAMPION: WHOLE - share, CHALLENGER: share}),),
            shadows=(shadow,) if self.shadowed else (),
        )  # fmt: skip

    def blocks(self) -> Iterator["ManyBlock"]:
        """The rows, block by block; equal each time."""
        hasher = UnitHasher(layer_salt("credit", None))
        ends = [self.rows * (step + 1) // len(self.steps) for step in range(len(self.steps))]
        first = 0
        for step, end in enumerate(ends):
            while first < end:
                count = min(BLOCK_ROWS, end - first)
                yield ManyBlock(self, step, np.arange(first, first + count), hasher)
                first += count


@dataclass(frozen=True)
class ManyBlock:
    """Some rows of a plan. ``places`` are their indices among all rows; every array has one entry per row."""

    plan: ManyRows
    step: int
    places: npt.NDArray[np.int64]
    hasher: UnitHasher

    def __len__(self) -> int:
        return len(self.places)

    def _drawn(self, what: int) -> np.random.Generator:
        return np.random.default_rng([self.plan.seed, int(self.places[0]), what])

    @cached_property
    def asked(self) -> npt.NDArray[np.int64]:
        """The row that each one repeats as a retry; itself for others."""
        every = self.plan.retry_every
        return self.places - (self.places % every == every - 1) if every > 1 else self.places

    @cached_property
    def unit_numbers(self) -> npt.NDArray[np.int64]:
        """The unit of each row, see ``unit_name``."""
        if self.plan.units is None:
            return self.asked
        return _scattered(self.asked, self.plan.seed) % self.plan.units

    @cached_property
    def times(self) -> npt.NDArray[np.int64]:
        """When each row was scored: whole microseconds, in ns since 1970."""
        return self.plan.start + (self.places * (1e6 / self.plan.per_second)).astype(np.int64) * 1000

    @cached_property
    def call_ids(self) -> npt.NDArray[np.void]:
        """The call of each row: the second as a server has it, then the row's index with its bits spread."""
        ids = np.empty(len(self), [("second", ">u4"), ("row", ">u8")])
        ids["second"], ids["row"] = self.times // 10**9, self.places.astype(np.uint64) * _SPREAD
        return ids.view("V12")

    @cached_property
    def challenged(self) -> npt.NDArray[np.bool_]:
        """Which rows were assigned to the challenger: by the buckets of their units, so that steps only add units."""
        buckets = np.array(self.hasher.buckets([unit_name(number) for number in self.unit_numbers.tolist()]))
        return buckets >= 1 - self.plan.steps[self.step] / 100

    @cached_property
    def failed(self) -> npt.NDArray[np.bool_]:
        """Which rows the challenger failed on, so that the champion served them."""
        return self.challenged & (self._drawn(0).random(len(self)) < self.plan.failing)

    @cached_property
    def numbers(self) -> npt.NDArray[np.float32]:
        """The number features: float32 [rows, features]."""
        return self._drawn(1).standard_normal((len(self), len(self.plan.numbers)), np.float32)

    @cached_property
    def scores(self) -> npt.NDArray[np.float32]:
        """The score of each row."""
        raised = self.plan.shift * (self.challenged & ~self.failed)
        logits = self.numbers[:, 0] + 0.5 * self._drawn(2).standard_normal(len(self), np.float32) - 1
        return np.asarray(1 / (1 + np.exp(-logits)) + raised, np.float32)

    @cached_property
    def shadow_scores(self) -> npt.NDArray[np.float32]:
        """The shadow's score of each row: the row's own, disturbed."""
        return np.asarray(self.scores + 0.05 * self._drawn(3).standard_normal(len(self), np.float32), np.float32)

    @cached_property
    def channel_index(self) -> npt.NDArray[np.uint32]:
        """The channel of each row, an index into the plan's."""
        return self._drawn(4).integers(len(self.plan.channels), size=len(self), dtype=np.uint32)

    @cached_property
    def microseconds(self) -> npt.NDArray[np.uint32]:
        """The latency of each row."""
        return (800 + 400 * self._drawn(5).standard_exponential(len(self))).astype("<u4")

    def encoded(self) -> bytes:
        """The block as it stands in a file, and that of the shadow's scores."""
        reasons = np.where(self.failed, pb.REASON_FALLBACK, pb.REASON_SPLIT).astype(np.uint8)
        facts = {"route": self.step + 1, "rows": len(self), "calls": len(self), "time": int(self.times[0])}
        columns: dict[Column, bytes] = {
            Column.FACTS: packed_json(facts),
            Column.CALL_IDS: self.call_ids.tobytes(),
            Column.CALL_TIMES: ((self.times - self.times[0]) // 1000).astype("<i4").tobytes(),
            Column.CALL_LATENCIES: self.microseconds.tobytes(),
            Column.ENTITY_IDS: _texts(b"u", self.unit_numbers),
            Column.NUMBERS: self.numbers.tobytes(),
            Column.CONTEXTS: packed_json([{"channel": channel} for channel in self.plan.channels]),
            Column.CONTEXT_INDEX: self.channel_index.tobytes(),
            Column.SCORES: self.scores.tobytes(),
            Column.REASONS: reasons.tobytes(),
            Column.SERVED: (self.challenged & ~self.failed).astype("<u2").tobytes(),
            Column.BANDS: (self.scores >= _CUTS[1]).astype("<u2").tobytes(),
        }
        if self.failed.any():
            columns[Column.ASSIGNED] = self.challenged.astype("<u2").tobytes()
        if self.plan.retry_every:
            columns[Column.REQUEST_IDS] = _texts(b"r", self.asked)
        return framed(Kind.ROWS, packed(columns)) + (self._shadow().block() if self.plan.shadowed else b"")

    def _shadow(self) -> ShadowScores:
        return ShadowScores(
            route="credit", revision=self.step + 1, ref=SHADOW, model="shadow", version=1, digest="c" * 64,
            call_ids=self.call_ids.tobytes(), places=np.zeros(len(self), np.uint16), scores=self.shadow_scores,
            nanoseconds=int(self.times[-1]) + 10**6, microseconds=20 * len(self),
        )  # fmt: skip


def unit_name(number: int) -> str:
    """The text of a unit."""
    return f"u{number:0{_DIGITS}}"


def write_rows(folder: Path, plan: ManyRows, *, worker: int = 0) -> list[Path]:
    """Writes a plan's rows as the journal of one worker; its files."""
    files: list[Path] = []
    file: JournalFile | None = None
    described = set[int]()
    for at, block in enumerate(plan.blocks()):
        if file is None or at % _FILE_BLOCKS == 0:
            if file is not None:
                file.close()
            file, described = _begun(folder, int(block.times[0]), worker), set()
            files.append(file.path)
        if block.step not in described:
            file.append(framed(Kind.ROUTE, plan.route(block.step).body()))
            described.add(block.step)
        file.append(block.encoded())
    if file is not None:
        file.close()
    return files


def _begun(folder: Path, nanoseconds: int, worker: int) -> JournalFile:
    facts = replace(FACTS, worker=worker, started=nanoseconds)
    file = begin(folder, facts, disk=Disk())
    file.append(framed(Kind.FILE, facts.body()))
    return file


def _texts(head: bytes, numbers: npt.NDArray[np.int64]) -> bytes:
    """Texts of a head and ten digits, as ``packed_texts`` writes them."""
    text = np.empty((len(numbers), len(head) + _DIGITS), np.uint8)
    text[:, : len(head)] = np.frombuffer(head, np.uint8)
    for place in range(_DIGITS):
        text[:, -1 - place] = ord("0") + numbers // 10**place % 10
    return np.full(len(numbers), text.shape[1], "<u4").tobytes() + text.tobytes()


def _scattered(numbers: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Numbers without visible order, equal for equal numbers."""
    mixed = (numbers.astype(np.uint64) + np.uint64(seed)) * _SPREAD
    return (mixed >> np.uint64(20)).astype(np.int64)
