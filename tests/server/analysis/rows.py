"""Journals and outcomes of many rows, made from arrays by the journal's own blocks without a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.journal.format.blocks import Kind, framed
from scoreline_server.journal.format.columns import Column, packed, packed_json, packed_texts
from scoreline_server.journal.format.decisions import packed_decisions
from scoreline_server.journal.format.facts import ArmFacts, FileFacts, RouteFacts, RuleFacts, ShadowFacts
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.outcomes.block import CALL_ID, OutcomeBlock
from scoreline_server.scoring.decided import DecidedRow, DecidedRows
from scoreline_server.scoring.results import ScoredBatch

DAY = 86_400 * 10**9
START = 20_000 * DAY
FILE = FileFacts(worker=0, host="here", pid=7, started=START, scoreline="1", onnxruntime="2")

Array = npt.NDArray[Any]


def route_facts(
    shares: Mapping[str, int],
    *,
    revision: int = 1,
    name: str = "credit",
    numbers: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
    cuts: tuple[float, ...] = (),
    bands: tuple[str, ...] = (),
    shadows: tuple[ShadowFacts, ...] = (),
    experiment: str = "",
    rules: tuple[RuleFacts, ...] | None = None,
    holdout: int = 0,
) -> RouteFacts:
    """A route whose one rule has these shares, in millionths by arm."""
    arms = tuple(
        ArmFacts(ref, ref.partition("@")[0], int(ref.partition("@")[2] or 1), ref, cuts, bands) for ref in shares
    )
    return RouteFacts(
        key=revision, route=name, revision=revision, unit="entity_id", schema_digest="s", numbers=numbers,
        categories=categories, hashed=(), left_out=(), step_features=(), arms=arms, bands=bands,
        rules=(RuleFacts(dict(shares)),) if rules is None else rules, shadows=shadows, experiment=experiment,
        holdout_millionths=holdout,
    )  # fmt: skip


@dataclass
class Rows:
    """N rows of one route and revision; what is None is left to a default."""

    route: RouteFacts
    units: Sequence[str]
    assigned: Array
    times: Array
    scores: Array | None = None
    served: Array | None = None
    reasons: Array | None = None
    rules: Array | None = None
    request_ids: Sequence[str] | None = None
    latencies_us: Array | None = None
    numbers: Array | None = None
    categories: Array | None = None
    dictionary: Sequence[str] = ()
    contexts: Sequence[Mapping[str, Any]] = ()
    context_index: Array | None = None
    errors: Mapping[int, str] = field(default_factory=dict)
    policy: str = "guardian"
    decided: Sequence[DecidedRow | None] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        seconds = (np.asarray(self.times) // 10**9).astype(">u4")
        random = np.random.default_rng([self.seed, self.route.revision]).integers(0, 2**32, (len(self), 2), np.uint32)
        ids = np.concatenate([seconds.view("u4")[:, None], random], axis=1)
        self.call_ids: Array = np.ascontiguousarray(ids).view(CALL_ID)[:, 0]

    def __len__(self) -> int:
        return len(self.units)

    @property
    def ids(self) -> list[str]:
        """The prediction id of each row."""
        return [f"{call.hex()}-0" for call in self.call_ids.tolist()]

    def slices(self, most: int) -> list[slice]:
        """The rows of each block: at most so many, and of less than half an hour, which its times can hold."""
        half_hours = np.asarray(self.times) // (1500 * 10**9)
        edges = {0, len(self), *(np.flatnonzero(np.diff(half_hours)) + 1).tolist(), *range(0, len(self), most)}
        return [slice(start, end) for start, end in pairwise(sorted(edges))]

    def block(self, rows: slice) -> bytes:
        """Some of the rows, each a call of its own."""
        count = len(range(*rows.indices(len(self))))
        times = np.asarray(self.times[rows])
        first = int(times.min())
        facts = {"route": self.route.key, "rows": count, "calls": count, "time": first}
        columns: dict[Column, bytes] = {
            Column.FACTS: packed_json(facts),
            Column.CALL_IDS: self.call_ids[rows].tobytes(),
            Column.CALL_TIMES: ((times - first) // 1000).astype("<i4").tobytes(),
            Column.ENTITY_IDS: packed_texts(list(self.units[rows])),
            Column.ASSIGNED: np.asarray(self.assigned[rows]).astype("<u2").tobytes(),
        }
        served = self.assigned if self.served is None else self.served
        reasons = np.full(len(self), pb.REASON_SPLIT) if self.reasons is None else self.reasons
        scores = np.full(len(self), 0.5) if self.scores is None else self.scores
        latencies = np.full(len(self), 1500) if self.latencies_us is None else self.latencies_us
        for column, values, dtype in (
            (Column.SERVED, served, "<u2"), (Column.REASONS, reasons, "u1"), (Column.SCORES, scores, "<f4"),
            (Column.CALL_LATENCIES, latencies, "<u4"), (Column.RULES, self.rules, "u1"),
            (Column.NUMBERS, self.numbers, "<f4"), (Column.CATEGORIES, self.categories, "<i4"),
            (Column.CONTEXT_INDEX, self.context_index, "<u4"),
        ):  # fmt: skip
            if values is not None:
                columns[column] = np.asarray(values)[rows].astype(dtype).tobytes()
        if self.request_ids is not None:
            columns[Column.REQUEST_IDS] = packed_texts(list(self.request_ids[rows]))
        if self.dictionary:
            columns[Column.DICTIONARY] = packed_json(list(self.dictionary))
        if self.contexts:
            columns[Column.CONTEXTS] = packed_json(list(self.contexts))
        start = rows.indices(len(self))[0]
        errors = {row - start: reason for row, reason in self.errors.items() if start <= row < start + count}
        if errors:
            columns[Column.ERRORS] = packed_json(errors)
        if self.decided is not None:
            decisions = DecidedRows(self.policy, self.route.revision, self.decided[rows])
            batch = SimpleNamespace(decisions=decisions, rows=range(count))
            columns |= packed_decisions([cast("ScoredBatch", batch)])
        return framed(Kind.ROWS, packed(columns))


def write_rows(folder: Path, *parts: Rows, name: str = "0-1", block_rows: int = 5000, torn: bool = False) -> Path:
    """One journal file of some rows, part after part; ``torn`` cuts the last block short, as a killed writer does."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.journal"
    blocks = [framed(Kind.FILE, FILE.body())]
    for part in parts:
        blocks.append(framed(Kind.ROUTE, part.route.body()))
        blocks += [part.block(rows) for rows in part.slices(block_rows)]
    data = b"".join(blocks)
    path.write_bytes(data[:-7] if torn else data)
    return path


def append_shadows(
    path: Path, rows: Rows, ref: str, scores: Array, *, chosen: Array | None = None, **facts: Any
) -> None:
    """Appends the scores of a shadow for some rows, all by default, in blocks of 64."""
    picked = np.arange(len(rows)) if chosen is None else chosen
    model, _, version = ref.partition("@")
    with path.open("ab") as file:
        for at in range(0, len(picked), 64):
            part = picked[at : at + 64]
            values = np.asarray(scores, np.float32)[at : at + 64]
            errors = dict.fromkeys(np.flatnonzero(np.isnan(values)).tolist(), "MODEL_FAILED")
            shadow = ShadowScores(
                rows.route.route, rows.route.revision, ref, model, int(version), ref, rows.call_ids[part].tobytes(),
                np.zeros(len(part), np.uint16), values, errors,
                nanoseconds=int(np.asarray(rows.times)[part].max()) + 10**6, **facts,
            )  # fmt: skip
            file.write(shadow.block())


def write_outcomes(
    folder: Path, name: str, values: Array, *, ids: Array, observed_at: Array | int = START + 1000 * DAY,
    reported_at: int = START + 1000 * DAY, weights: Array | None = None, route: str = "credit", file: str = "0-2",
) -> None:  # fmt: skip
    """One file of outcomes of one name by prediction id; ``ids`` are call ids of rows that are alone in their call."""
    count = len(values)
    block = OutcomeBlock(
        route, reported_at, (name,), np.zeros(count, np.uint16), np.asarray(values, np.float64),
        np.ones(count) if weights is None else np.asarray(weights, np.float64),
        np.broadcast_to(np.asarray(observed_at, np.int64), count), ids, np.zeros(count, np.uint16), [],
        np.zeros(0, np.int64), np.zeros(0, np.int64),
    )  # fmt: skip
    _write(folder, block, file)


def write_unit_outcomes(
    folder: Path, name: str, values: Array, *, units: Sequence[str], since: Array | int, until: Array | int,
    observed_at: int = START + 1000 * DAY, route: str = "credit", file: str = "0-3",
) -> None:  # fmt: skip
    """One file of outcomes of one name by unit and window."""
    count = len(values)
    windows = [np.broadcast_to(np.asarray(edge, np.int64), count) for edge in (since, until)]
    block = OutcomeBlock(
        route, START + 1000 * DAY, (name,), np.zeros(count, np.uint16), np.asarray(values, np.float64), np.ones(count),
        np.full(count, observed_at, np.int64), np.zeros(0, CALL_ID), np.zeros(0, np.uint16), list(units),
        windows[0], windows[1],
    )  # fmt: skip
    _write(folder, block, file)


def _write(folder: Path, block: OutcomeBlock, file: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{file}.outcomes"
    head = b"" if path.exists() else framed(Kind.FILE, FILE.body())
    with path.open("ab") as opened:
        opened.write(head + block.block())
