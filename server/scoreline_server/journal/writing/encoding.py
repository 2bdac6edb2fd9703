"""Encodes scored batches of one route as the columns of one block."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE
from scoreline_registry.routing.bucketing import WHOLE
from scoreline_server.journal.format.blocks import Kind, framed
from scoreline_server.journal.format.columns import (
    RAGGED_COLUMNS,
    Column,
    packed,
    packed_arrays,
    packed_json,
    packed_texts,
)
from scoreline_server.journal.format.decisions import packed_decisions
from scoreline_server.journal.format.extras import packed_extras
from scoreline_server.journal.format.facts import ArmFacts, RouteFacts, RuleFacts, ShadowFacts
from scoreline_server.journal.format.privacy import Hasher, Shown
from scoreline_server.journal.format.reasons import packed_reasons
from scoreline_server.scoring.arrays import Float32, Indices
from scoreline_server.scoring.compiled_route import NO_BAND, CompiledRoute
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.model import LoadedModel
from scoreline_server.scoring.results import RowResults, ScoredBatch
from scoreline_server.scoring.rows import Context

_MOST_MICROSECONDS = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Observed:
    """A scored batch and when that was: ns since 1970, and seconds of ``time.perf_counter()``."""

    scored: ScoredBatch
    nanoseconds: int = field(default_factory=time.time_ns)
    seconds: float = field(default_factory=time.perf_counter)

    def __len__(self) -> int:
        return len(self.scored.rows)


class RouteEncoder:
    """Encodes the rows of one route and revision. ``key`` identifies it in the rows of a file."""

    def __init__(self, route: CompiledRoute, key: int, hasher: Hasher | None) -> None:
        self.route = route
        self._hasher = hasher
        self._shown = Shown.of(route)
        self.facts = _facts(route, key, self._shown, hashed=hasher is not None)
        self._bands = {name: index for index, name in enumerate(self.facts.bands)}
        self._band_tables: dict[tuple[str, ...], npt.NDArray[np.uint16]] = {}

    def described(self) -> bytes:
        """The block that describes the route, which precedes its rows in a file."""
        return framed(Kind.ROUTE, self.facts.body())

    def encoded(self, batches: Sequence[Observed]) -> bytes:
        """The block of some batches, in order."""
        columns: dict[Column, bytes] = {
            Column.FACTS: packed_json(
                {
                    "route": self.facts.key,
                    "rows": sum(map(len, batches)),
                    "calls": sum(len(one.scored.requests) for one in batches),
                    "time": batches[0].nanoseconds,
                }
            )
        }
        columns |= _calls(batches) | self._inputs([one.scored for one in batches])
        columns |= self._results([one.scored for one in batches])
        return framed(Kind.ROWS, packed(columns))

    def _inputs(self, scored: Sequence[ScoredBatch]) -> dict[Column, bytes]:
        layout, shown = self.route.layout, self._shown
        columns: dict[Column, bytes] = {
            Column.ENTITY_IDS: packed_texts(list(chain.from_iterable(one.rows.ids for one in scored)))
        }
        if layout.numbers:
            columns[Column.NUMBERS] = packed_arrays(_taken(one.rows.numbers, shown.numbers) for one in scored)
        if layout.categories:
            codes, names = _recoded(scored)
            columns[Column.CATEGORIES] = codes[:, shown.categories].astype("<i4").tobytes()
            columns[Column.DICTIONARY] = packed_json(self._dictionary(codes, names))
        for place, ragged in enumerate(layout.ragged):
            if len(shown.ragged[place]):
                blocks = [one.rows.ragged[place] for one in scored]
                counts, values = RAGGED_COLUMNS[ragged.name]
                columns[counts] = packed_arrays(block.counts for block in blocks)
                columns[values] = packed_arrays(_taken(block.values, shown.ragged[place]) for block in blocks)
        if any(one.rows.contexts for one in scored):
            columns |= _contexts(scored)
        if self.facts.hashed:
            columns[Column.HASHES] = self._hashes(scored)
        return columns

    def _dictionary(self, codes: npt.NDArray[np.int32], names: Sequence[str]) -> Sequence[str]:
        """The names in use by journaled columns; names of sensitive columns alone are left out."""
        if len(self._shown.categories) == codes.shape[1]:
            return names
        used = set(codes[:, self._shown.categories].ravel().tolist())
        return [name if code in used else "" for code, name in enumerate(names)]

    def _hashes(self, scored: Sequence[ScoredBatch]) -> bytes:
        """[R, hashed features] of 16 bytes each."""
        layout, hasher = self.route.layout, self._hasher
        if hasher is None:
            return b""
        hashed = []
        codes, names = _recoded(scored)
        numbers = np.concatenate([one.rows.numbers for one in scored])
        for name in self.facts.hashed:
            if name in layout.numbers:
                column = hasher.numbers(name, numbers[:, layout.numbers[name]])
            else:
                column = hasher.categories(name, codes[:, layout.categories[name]], names)
            hashed.append(np.frombuffer(column, "V16"))
        return np.stack(hashed, axis=1).tobytes()

    def _results(self, scored: Sequence[ScoredBatch]) -> dict[Column, bytes]:
        results = [one.results for one in scored]
        served = packed_arrays(each.served for each in results)
        assigned = packed_arrays(each.assigned for each in results)
        columns: dict[Column, bytes] = {
            Column.SCORES: packed_arrays(each.scores for each in results),
            Column.REASONS: packed_arrays(each.reasons for each in results),
        }
        if served.strip(b"\0"):
            columns[Column.SERVED] = served
        if assigned != served:
            columns[Column.ASSIGNED] = assigned
        if any(each.rules is not None for each in results):
            columns[Column.RULES] = b"".join(map(self._rules, results))
        if any(each.quality is not None for each in results):
            columns[Column.QUALITY] = b"".join(map(_quality, results))
        if any(each.profile_states is not None for each in results):
            columns[Column.PROFILE_STATES] = b"".join(map(_profile_states, results))
        if self._bands:
            columns[Column.BANDS] = b"".join([self._band_indices(one) for one in scored])
        if any(each.errors for each in results):
            columns[Column.ERRORS] = packed_json(_errors(scored))
        return columns | packed_extras(scored) | packed_decisions(scored) | packed_reasons(scored)

    def _rules(self, results: RowResults) -> bytes:
        """The deciding rule of each row of one batch."""
        return bytes(results.rules or bytearray([len(self.facts.rules) - 1]) * len(results.scores))

    def _band_indices(self, scored: ScoredBatch) -> bytes:
        """The bands of one batch as indices into the route's bands."""
        bands, names = scored.results.bands, tuple(scored.results.band_names)
        if bands is None:
            return np.full(len(scored.rows), NO_BAND, "<u2").tobytes()
        table = self._band_tables.get(names)
        if table is None:
            table = self._band_tables[names] = np.full(NO_BAND + 1, NO_BAND, "<u2")
            table[: len(names)] = [self._bands[name] for name in names]
        return table[bands].tobytes()


def _taken(block: Float32, columns: Indices) -> Float32:
    """The block with these columns alone."""
    return block if len(columns) == block.shape[1] else block[:, columns]


def _quality(results: RowResults) -> bytes:
    """uint16 [rows, 4], zeros where there are no counts."""
    return bytes(8 * len(results.scores)) if results.quality is None else results.quality.tobytes()


def _profile_states(results: RowResults) -> bytes:
    """uint8 [rows], zeros where no profile was read."""
    return bytes(len(results.scores)) if results.profile_states is None else results.profile_states.tobytes()


def _facts(route: CompiledRoute, key: int, shown: Shown, *, hashed: bool) -> RouteFacts:
    layout = route.layout
    numbers, categories = list(layout.numbers), list(layout.categories)
    ragged = {
        each.name: tuple(each.features[column] for column in columns)
        for each, columns in zip(layout.ragged, shown.ragged, strict=True)
    }
    return RouteFacts(
        key=key,
        route=route.name,
        revision=route.revision,
        unit=route.document.unit,
        schema_digest=layout.digest,
        numbers=tuple(numbers[column] for column in shown.numbers),
        categories=tuple(categories[column] for column in shown.categories),
        hashed=shown.sensitive if hashed else (),
        left_out=() if hashed else shown.sensitive,
        step_features=ragged.get(SEQUENCE.name, ()),
        neighbor_features=ragged.get(NEIGHBORS.name, ()),
        step_vocabularies=_vocabularies(layout, ragged.get(SEQUENCE.name, ())),
        arms=tuple(ArmFacts(arm.ref, *_version(arm.model), *_bands(arm.model)) for arm in route.arms),
        bands=tuple(dict.fromkeys(name for arm in route.arms for name in arm.band_names)),
        rules=tuple(RuleFacts({arm.ref: arm.millionths for arm in rule.arms}) for rule in route.document.rules),
        holdout_millionths=route.document.holdout_millionths,
        shadows=tuple(
            ShadowFacts(shadow.ref, *_version(shadow.model), round(shadow.share * WHOLE), *_bands(shadow.model))
            for shadow in route.shadows
        ),
        outcome_days=route.document.outcome_days,
        experiment=route.document.experiment_digest,
    )


def _version(model: LoadedModel) -> tuple[str, int, str]:
    return model.name, model.version, model.digest


def _bands(model: LoadedModel) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Where each band begins, and the bands' names."""
    bands = model.manifest.score.bands
    return tuple(band.from_score for band in bands), tuple(band.name for band in bands)


def _vocabularies(layout: Layout, shown: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The names of each step feature that is a category and is written."""
    return {name: names for each in layout.ragged for name, names in each.vocabularies.items() if name in shown}


def _calls(batches: Sequence[Observed]) -> dict[Column, bytes]:
    """The columns with one value per call."""
    requests = list(chain.from_iterable([one.scored.requests for one in batches]))
    counts = np.array([len(one.scored.requests) for one in batches])
    times = np.array([(one.nanoseconds - batches[0].nanoseconds) // 1000 for one in batches], "<i4")
    arrived = np.array([request.arrived for request in requests])
    latencies = 1e6 * (np.array([one.seconds for one in batches]).repeat(counts) - arrived)
    columns: dict[Column, bytes] = {
        Column.CALL_IDS: b"".join([one.scored.call_ids for one in batches]),
        Column.CALL_TIMES: times.repeat(counts).tobytes(),
        Column.CALL_LATENCIES: np.minimum(np.maximum(latencies, 0), _MOST_MICROSECONDS).astype("<u4").tobytes(),
    }
    if sum(map(len, batches)) != len(requests):
        columns[Column.CALL_ROWS] = np.array([len(request.rows) for request in requests], "<u2").tobytes()
    request_ids = [request.request_id for request in requests]
    if any(request_ids):
        columns[Column.REQUEST_IDS] = packed_texts(request_ids)
    return columns


def _recoded(scored: Sequence[ScoredBatch]) -> tuple[npt.NDArray[np.int32], list[str]]:
    """All category codes over one dictionary without repeats."""
    index: dict[str, int] = {}
    recoded = []
    for one in scored:
        # A missing value is -1, which as an index is the last entry.
        table = [*(index.setdefault(name, len(index)) for name in one.rows.dictionary), -1]
        recoded.append(np.array(table, np.int32)[one.rows.categories])
    return np.concatenate(recoded), list(index)


def _contexts(scored: Sequence[ScoredBatch]) -> dict[Column, bytes]:
    """Each distinct context once; calls share theirs among rows, so identity is enough."""
    places: dict[int, int] = {}
    distinct: list[Context] = []
    indices = []
    nothing: Context = {}
    for one in scored:
        for context in one.rows.contexts or [nothing] * len(one.rows):
            place = places.get(id(context))
            if place is None:
                place = places[id(context)] = len(distinct)
                distinct.append(context)
            indices.append(place)
    return {Column.CONTEXTS: packed_json(_finite(distinct)), Column.CONTEXT_INDEX: np.array(indices, "<u4").tobytes()}


def _finite(contexts: Iterable[Context]) -> list[dict[str, Any]]:
    """Contexts as JSON has them: a number that is not finite becomes its name."""
    return [
        {
            key: str(value) if isinstance(value, float) and not np.isfinite(value) else value
            for key, value in context.items()
        }
        for context in contexts
    ]


def _errors(scored: Sequence[ScoredBatch]) -> dict[int, str]:
    """The reason of each row without a score."""
    errors, start = {}, 0
    for one in scored:
        errors.update({start + row: error.reason.value for row, error in one.results.errors.items()})
        start += len(one.rows)
    return errors
