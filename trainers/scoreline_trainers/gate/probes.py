"""Rows that try to tell a graph from the model it was made of, among those that a server may send it.

A required feature is never missing, a missing one that has a default is that, a number is within its limits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_trainers.data.batch import Batch, Float32, Int64, Rows, concatenate
from scoreline_trainers.data.features import category_columns, limits

Edges = Mapping[int, Float32]

MINIMUM_ROWS = 2000
MAXIMUM_EDGES = 4000
_SHARE = 500
_RUBBISH = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 7.5, -1.0], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """Rows and why each is there, such as "sample" or "edge of 'age'"."""

    batch: Batch
    reasons: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.reasons)

    def take(self, rows: Rows) -> "Probes":
        """The given rows, in the given order."""
        return Probes(self.batch.take(rows), tuple(self.reasons[row] for row in rows))


def make_probes(samples: Batch, inputs: InputContract, *, edges: Edges | None = None, seed: int = 0) -> Probes:
    """At least 2,000 rows: samples, then copies of samples with something rare in each.

    Args:
        samples: rows as they come, at least one; T may be shorter than the contract's.
        inputs: the contract that encoded them.
        edges: feature column -> values at which the score may jump.
        seed: of the choice of rows.

    Returns:
        Samples, missing values, unseen categories where they are not refused, edges and values beside them, histories
        of one step and of ``max_length`` steps, and neighbourhoods of none, one and ``max_neighbors``.
    """
    draw = np.random.default_rng(seed)
    samples = _stretched(samples, inputs)
    parts = [("sample", samples.take(_chosen(len(samples), MINIMUM_ROWS, draw)))]
    parts += _feature_parts(samples, inputs.features, draw)
    parts += _sequence_parts(samples, draw)
    parts += _neighbor_parts(samples, draw)
    parts += _edge_parts(samples, inputs.features, edges or {}, draw)
    reasons = [reason for reason, batch in parts for _ in range(len(batch))]
    return Probes(concatenate([batch for _, batch in parts]), tuple(reasons))


def with_garbage(batch: Batch, *, extra_steps: int, seed: int = 0) -> Batch:
    """The same histories with more padding, all of it filled with NaN, infinities and large numbers."""
    sequence, lengths = batch.history
    rows, steps, width = sequence.shape
    padded = np.zeros((rows, steps + extra_steps, width), np.float32)
    padded[:, :steps] = sequence
    padding = np.arange(steps + extra_steps) >= lengths[:, None]
    padded[padding] = np.random.default_rng(seed).choice(_RUBBISH, (int(padding.sum()), width))
    return batch.replace(sequence=padded)


def with_strangers(batch: Batch, *, extra: int, seed: int = 0) -> Batch:
    """The same neighbours with ``extra`` more places, and garbage like ``with_garbage`` where no neighbour is."""
    neighbors, mask = batch.neighborhood
    wider = np.pad(mask, ((0, 0), (0, extra)))
    padded = np.pad(neighbors, ((0, 0), (0, extra), (0, 0)))
    padded[~wider] = np.random.default_rng(seed).choice(_RUBBISH, (int((~wider).sum()), neighbors.shape[2]))
    return batch.replace(neighbors=padded, neighbor_mask=wider)


def from_contract(inputs: InputContract, *, rows: int = MINIMUM_ROWS, seed: int = 0) -> Batch:
    """Made-up rows for a graph without training data: numbers within their limits, else around zero."""
    draw = np.random.default_rng(seed)
    features = sequence = lengths = neighbors = mask = None
    if inputs.features:
        features = np.stack([_made_up(feature, rows, draw) for feature in inputs.features], axis=1)
    if inputs.sequence is not None:
        shape = (rows, inputs.sequence.max_length, len(inputs.sequence.features))
        sequence = draw.normal(size=shape).astype(np.float32)
        lengths = draw.integers(1, inputs.sequence.max_length, rows, endpoint=True)
    if inputs.neighbors is not None:
        around = (rows, inputs.neighbors.max_neighbors, len(inputs.neighbors.features))
        neighbors = draw.normal(size=around).astype(np.float32)
        mask = np.arange(around[1]) < draw.integers(0, around[1], rows, endpoint=True)[:, None]
    return Batch(features, sequence, lengths, neighbors, mask)


def _made_up(feature: Feature, rows: int, draw: np.random.Generator) -> Float32:
    if feature.kind == "category":
        return draw.integers(0, len(feature.vocabulary), rows).astype(np.float32)
    low, high = limits(feature)
    values = draw.normal(size=rows) * 10.0 ** draw.integers(-1, 5, rows)
    if np.isfinite(high - low):
        values = np.where(draw.random(rows) < 0.5, draw.uniform(low, high, rows), values)
    return np.clip(values, low, high).astype(np.float32)


def _chosen(rows: int, count: int, draw: np.random.Generator) -> Rows:
    """``count`` rows, each as often as any other give or take one."""
    return np.concatenate([draw.permutation(rows) for _ in range(-(-count // rows))])[:count]


def _feature_parts(
    samples: Batch, features: Sequence[Feature], draw: np.random.Generator
) -> Iterator[tuple[str, Batch]]:
    if not features:
        return
    holes = samples.take(_chosen(len(samples), _SHARE, draw))
    some = draw.random(holes.table.shape) < draw.choice([0.1, 0.5, 1.0], (len(holes), 1))
    some &= ~np.array([feature.required for feature in features])
    absent = np.array([feature.default_code for feature in features], np.float32)
    if some.any():
        yield "missing values", holes.replace(features=np.where(some, absent, holes.table))
    categories = [column for column in category_columns(features) if features[column].unseen == "other"]
    if categories:
        strange = samples.take(_chosen(len(samples), _SHARE, draw))
        other = np.array([len(features[column].vocabulary) for column in categories], np.float32)
        some = draw.random((len(strange), len(categories))) < 0.6
        table = strange.table.copy()
        table[:, categories] = np.where(some, other, table[:, categories])
        yield "unseen categories", strange.replace(features=table)


def _sequence_parts(samples: Batch, draw: np.random.Generator) -> Iterator[tuple[str, Batch]]:
    if samples.sequence is None:
        return
    short = samples.take(_chosen(len(samples), _SHARE, draw))
    yield "one step", short.replace(lengths=np.ones(len(short), np.int64))
    whole = samples.take(_chosen(len(samples), _SHARE, draw))
    yield "longest history", _repeated_to_the_end(whole)
    holes = samples.take(_chosen(len(samples), _SHARE, draw))
    sequence = holes.history[0]
    some = draw.random(sequence.shape) < 0.3
    yield "missing steps", holes.replace(sequence=np.where(some, np.float32(np.nan), sequence))


def _neighbor_parts(samples: Batch, draw: np.random.Generator) -> Iterator[tuple[str, Batch]]:
    if samples.neighbors is None:
        return
    alone = samples.take(_chosen(len(samples), _SHARE, draw))
    yield "no neighbors", alone.replace(neighbor_mask=np.zeros_like(alone.neighborhood[1]))
    known = np.flatnonzero(samples.neighborhood[1].any(axis=1))
    if not len(known):
        return
    some = samples.take(known[_chosen(len(known), _SHARE, draw)])
    mask = some.neighborhood[1]
    yield "one neighbor", some.replace(neighbor_mask=mask & (mask.cumsum(axis=1) == 1))
    yield "most neighbors", _neighbors_repeated(some)
    holes = draw.random(some.neighborhood[0].shape) < 0.3
    yield "missing neighbor values", some.replace(neighbors=np.where(holes, np.float32(np.nan), some.neighborhood[0]))


def _edge_parts(
    samples: Batch, features: Sequence[Feature], edges: Edges, draw: np.random.Generator
) -> Iterator[tuple[str, Batch]]:
    """One row per feature and value, the others as sampled; drawn where there are too many."""
    values = [_edge_values(samples, column, feature, edges) for column, feature in enumerate(features)]
    total = sum(map(len, values))
    for column, (feature, found) in enumerate(zip(features, values, strict=True)):
        kept = found if total <= MAXIMUM_EDGES else _some(found, len(found) * MAXIMUM_EDGES // total, draw)
        if len(kept):
            rows = samples.take(_chosen(len(samples), len(kept), draw))
            table = rows.table.copy()
            table[:, column] = kept
            yield f"edge of {feature.name!r}", rows.replace(features=table)


def _edge_values(samples: Batch, column: int, feature: Feature, edges: Edges) -> Float32:
    if feature.kind == "category":
        return np.arange(len(feature.vocabulary) + (feature.unseen == "other"), dtype=np.float32)
    seen = samples.table[:, column]
    seen = seen[~np.isnan(seen)]
    ends = np.array([seen.min(), seen.max()] if len(seen) else [0], np.float32)
    reach = 10 * np.abs(ends).max()
    stated = [limit for limit in limits(feature) if np.isfinite(limit)]
    values = [ends, [-reach, 0, reach], stated, edges.get(column, [])]
    found = np.concatenate([np.asarray(part, np.float32) for part in values])
    return np.unique(np.clip(found, *np.array(limits(feature), np.float32)))


def _some(values: Float32, count: int, draw: np.random.Generator) -> Float32:
    return np.sort(draw.choice(values, max(count, 1), replace=False))


def _stretched(samples: Batch, inputs: InputContract) -> Batch:
    """The same rows with T = max_length and K = max_neighbors."""
    if samples.sequence is not None and inputs.sequence is not None:
        steps = max(inputs.sequence.max_length - samples.sequence.shape[1], 0)
        samples = samples.replace(sequence=np.pad(samples.sequence, ((0, 0), (0, steps), (0, 0))))
    if samples.neighbors is not None and inputs.neighbors is not None:
        neighbors, mask = samples.neighborhood
        places = max(inputs.neighbors.max_neighbors - neighbors.shape[1], 0)
        neighbors = np.pad(neighbors, ((0, 0), (0, places), (0, 0)))
        samples = samples.replace(neighbors=neighbors, neighbor_mask=np.pad(mask, ((0, 0), (0, places))))
    return samples


def _repeated_to_the_end(batch: Batch) -> Batch:
    """Histories of T steps: what is there, over and over."""
    sequence, lengths = batch.history
    steps: Int64 = np.arange(sequence.shape[1]) % lengths[:, None]
    filled = np.take_along_axis(sequence, steps[:, :, None], axis=1)
    return batch.replace(sequence=filled, lengths=np.full(len(batch), sequence.shape[1], np.int64))


def _neighbors_repeated(batch: Batch) -> Batch:
    """Neighbourhoods of K: whoever is there, over and over. Every row has a neighbour."""
    neighbors, mask = batch.neighborhood
    first = np.argsort(~mask, axis=1, kind="stable")
    places = np.arange(mask.shape[1]) % mask.sum(axis=1)[:, None]
    chosen = np.take_along_axis(first, places, axis=1)
    filled = np.take_along_axis(neighbors, chosen[:, :, None], axis=1)
    return batch.replace(neighbors=filled, neighbor_mask=np.ones_like(mask))
