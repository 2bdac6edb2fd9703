"""Rows that would show a difference between a graph and its native model, among those that a server may send.

A required feature is never missing, a missing one that has a default is that, a number is within its limits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_registry.documents.ragged import RaggedKind
from scoreline_registry.documents.signature import FEATURES
from scoreline_trainers.data.batch import Batch, Float32, RowIndices, concatenate, item_arrays, stretched
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

    def take(self, rows: RowIndices) -> "Probes":
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
        Samples, missing values, unseen categories where they are not refused, edges and values beside them, and of
        each ragged input no items where that is allowed, one, and the contract's maximum.
    """
    draw = np.random.default_rng(seed)
    samples = stretched(samples, inputs)
    parts = [("sample", samples.take(_chosen(len(samples), MINIMUM_ROWS, draw)))]
    parts += _feature_parts(samples, inputs.features, draw)
    parts += [part for kind in samples.kinds for part in _item_parts(samples, kind, draw)]
    parts += _edge_parts(samples, inputs.features, edges or {}, draw)
    reasons = [reason for reason, batch in parts for _ in range(len(batch))]
    return Probes(concatenate([batch for _, batch in parts]), tuple(reasons))


def with_garbage(batch: Batch, kind: RaggedKind, *, extra: int, seed: int = 0) -> Batch:
    """The batch with ``extra`` more places per row, and NaN, infinities and large numbers as padding."""
    items, present = batch.items(kind)
    present = np.pad(present, ((0, 0), (0, extra)))
    padded = np.pad(items, ((0, 0), (0, extra), (0, 0)))
    padded[~present] = np.random.default_rng(seed).choice(_RUBBISH, (int((~present).sum()), items.shape[2]))
    return batch.with_items(kind, padded, present)


def from_contract(inputs: InputContract, *, rows: int = MINIMUM_ROWS, seed: int = 0) -> Batch:
    """Made-up rows for a graph without training data: numbers within their limits, else around zero."""
    draw = np.random.default_rng(seed)
    parts: dict[str, npt.NDArray[Any]] = {}
    if inputs.features:
        parts[FEATURES] = np.stack([_made_up(feature, rows, draw) for feature in inputs.features], axis=1)
    for ragged in inputs.ragged:
        items = draw.normal(size=(rows, ragged.max_items, len(ragged.features))).astype(np.float32)
        counts = draw.integers(ragged.kind.least, ragged.max_items, rows, endpoint=True)
        parts |= item_arrays(ragged.kind, items, np.arange(ragged.max_items) < counts[:, None])
    return Batch(**parts)


def _made_up(feature: Feature, rows: int, draw: np.random.Generator) -> Float32:
    if feature.kind == "category":
        return draw.integers(0, len(feature.vocabulary), rows).astype(np.float32)
    low, high = limits(feature)
    values = draw.normal(size=rows) * 10.0 ** draw.integers(-1, 5, rows)
    if np.isfinite(high - low):
        values = np.where(draw.random(rows) < 0.5, draw.uniform(low, high, rows), values)
    return np.clip(values, low, high).astype(np.float32)


def _chosen(rows: int, count: int, draw: np.random.Generator) -> RowIndices:
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


def _item_parts(samples: Batch, kind: RaggedKind, draw: np.random.Generator) -> Iterator[tuple[str, Batch]]:
    """Rows without items where that is allowed, with one, with as many as there may be, and with missing values."""
    if not kind.least:
        none = samples.take(_chosen(len(samples), _SHARE, draw))
        items, present = none.items(kind)
        yield f"no {kind.items}", none.with_items(kind, items, np.zeros_like(present))
    some = np.flatnonzero(samples.items(kind)[1].any(axis=1))
    if not len(some):
        return
    one, most, holes = (samples.take(some[_chosen(len(some), _SHARE, draw)]) for _ in range(3))
    items, present = one.items(kind)
    yield f"one {kind.item}", one.with_items(kind, items, present & (present.cumsum(axis=1) == 1))
    yield f"most {kind.items}", _items_repeated(most, kind)
    items, present = holes.items(kind)
    missing = draw.random(items.shape) < 0.3
    yield f"missing {kind.item} values", holes.with_items(kind, np.where(missing, np.float32(np.nan), items), present)


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


def _items_repeated(batch: Batch, kind: RaggedKind) -> Batch:
    """As many items as there are places: those that are there, over and over. Every row has one."""
    items, present = batch.items(kind)
    first = np.argsort(~present, axis=1, kind="stable")
    places = np.arange(present.shape[1]) % present.sum(axis=1)[:, None]
    chosen = np.take_along_axis(first, places, axis=1)
    return batch.with_items(kind, np.take_along_axis(items, chosen[:, :, None], axis=1), np.ones_like(present))
