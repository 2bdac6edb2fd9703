"""Contributions of rows, computed from a version's graph: exactly where its margin is a sum, else by sampling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np
import onnx

from scoreline_registry.attributions.permutations import Mixture, sampled_values
from scoreline_registry.attributions.tree_values import TreeExplainer
from scoreline_registry.attributions.trees import Int32
from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE, RaggedKind
from scoreline_trainers.data.batch import Batch, Bools, Float64, RowIndices
from scoreline_trainers.explanation.additive import (
    AdditiveForm,
    LinearTerm,
    Margin,
    TreeTerm,
    additive_form,
    margin_of,
)
from scoreline_trainers.explanation.document import Link
from scoreline_trainers.explanation.graph_index import GraphIndex
from scoreline_trainers.explanation.provenance import Columns, Mixed, Provenance, Provenances
from scoreline_trainers.explanation.sources import Source, mixed, sources_of
from scoreline_trainers.graph.scorer import OnnxScorer

ADDITIVITY = 1e-4
"""The largest difference between the sum of an additive form and the graph's margin, relative to margins above 1."""

PAIRS = 8
"""Pairs of walks for each row where contributions are sampled."""

MOST_NODES_FOR_PAIRS = 20_000
"""Nodes of all trees up to which interactions are exact."""

_AT_ONCE = 8192
_DRAWS_OF_PAIRS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Attributions:
    """Contributions of N rows in units of the margin.

    Attributes:
        base: mean margin of the reference rows.
        margins: float64 [N].
        values: float64 [N, sources]; each row's total its margin minus ``base``.
        errors: float64 [N, sources], standard errors; None where exact.
    """

    base: float
    margins: Float64
    values: Float64
    errors: Float64 | None = None


class Explainer(Protocol):
    """Computes contributions of rows against a fixed reference cohort."""

    @property
    def method(self) -> str:
        """How, in words."""

    @property
    def link(self) -> Link:
        """What the margin is."""

    @property
    def sources(self) -> Sequence[Source]:
        """The players, in the order of the contributions."""

    @property
    def base(self) -> float:
        """Mean margin of the reference rows."""

    @property
    def sampled(self) -> bool:
        """Whether contributions have errors."""

    @property
    def cost(self) -> int:
        """Evaluations of the graph, or visits of nodes of trees, that one row takes."""

    def margins(self, batch: Batch) -> Float64:
        """The graph's margins, float64 [N]."""

    def explain(self, batch: Batch) -> Attributions:
        """The contributions of some rows."""

    def interactions(self, batch: Batch, among: Sequence[int], *, seed: int = 0) -> Float64:
        """Interaction indices of pairs among K sources: float64 [N, K, K]."""


@dataclass(frozen=True, slots=True, eq=False)
class GraphMargin:
    """The graph with its margin, and further tensors, as outputs."""

    scorer: OnnxScorer
    margin: Margin

    @classmethod
    def of(cls, model: onnx.ModelProto, margin: Margin, tensors: Sequence[str] = ()) -> "GraphMargin":
        """Opens a copy of the model that gives these tensors too."""
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        there = {output.name for output in copy.graph.output} | {value.name for value in copy.graph.input}
        for name in dict.fromkeys((margin.tensor, *tensors)):
            if name not in there:
                copy.graph.output.append(onnx.ValueInfoProto(name=name))
        return cls(OnnxScorer(copy.SerializeToString()), margin)

    def margins(self, batch: Batch) -> Float64:
        """float64 [N]."""
        parts = [
            np.asarray(self.scorer.fetch([self.margin.tensor], batch.take(part).feeds())[0], np.float64).reshape(-1)
            for part in _parts(len(batch))
        ]
        return np.concatenate(parts) if parts else np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class AdditiveExplainer:
    """Exact: trees by their leaves, columns by their weights.

    Attributes:
        linear: each term with the mean of its columns over the reference, and their sources (-1 for none).
    """

    graph: GraphMargin
    sources: tuple[Source, ...]
    reference: Batch
    form: AdditiveForm
    trees: tuple[tuple[str, TreeExplainer], ...]
    linear: tuple[tuple[LinearTerm, Float64, Int32], ...]
    base: float

    sampled = False

    @property
    def method(self) -> str:
        """Which terms there are."""
        kinds = [name for name, terms in (("trees", self.trees), ("linear", self.linear)) if terms]
        return f"exact ({' and '.join(kinds)})"

    @property
    def link(self) -> Link:
        """What the margin is."""
        return self.graph.margin.link

    @property
    def cost(self) -> int:
        """Nodes of all trees, those of deep trees many times."""
        return 1 + sum(explainer.cost for _, explainer in self.trees)

    def margins(self, batch: Batch) -> Float64:
        """float64 [N]."""
        return self.graph.margins(batch)

    def interactions(self, batch: Batch, among: Sequence[int], *, seed: int = 0) -> Float64:
        """Exact where the trees are few enough, else sampled; linear terms have none."""
        if self.cost > MOST_NODES_FOR_PAIRS:
            return sampled_interactions(self.graph, self.sources, batch, self.reference, among, seed=seed)
        matrices = self.matrices(batch)
        found = np.zeros((len(batch), len(among), len(among)))
        for name, explainer in self.trees:
            found += explainer.interactions(matrices[name].astype(np.float32, copy=False), among)
        return found

    def explain(self, batch: Batch) -> Attributions:
        """Exact contributions; the margins are those of the sum."""
        values = np.zeros((len(batch), len(self.sources)))
        matrices = self.matrices(batch)
        for name, explainer in self.trees:
            values += explainer.values(matrices[name].astype(np.float32, copy=False))
        for term, mean, source in self.linear:
            parts = (matrices[term.matrix].astype(np.float64) - mean) * term.weights
            known = source >= 0
            np.add.at(values.T, source[known], parts.T[known])
        return Attributions(self.base, self.base + values.sum(axis=1), values)

    def matrices(self, batch: Batch) -> Mapping[str, Float64]:
        """The tensors that the terms are over."""
        return _fetched(self.graph.scorer, [term.matrix for term in self.form.terms], batch)


@dataclass(frozen=True, slots=True, eq=False)
class SampledExplainer:
    """Antithetic permutations over the whole graph."""

    graph: GraphMargin
    sources: tuple[Source, ...]
    reference: Batch
    reference_margins: Float64
    pairs: int = PAIRS
    seed: int = 0

    method = "sampled permutations"
    sampled = True

    @property
    def link(self) -> Link:
        """What the margin is."""
        return self.graph.margin.link

    @property
    def base(self) -> float:
        """Mean margin of the reference rows."""
        return float(self.reference_margins.mean())

    @property
    def cost(self) -> int:
        """Evaluations of the graph for a row."""
        return 2 * self.pairs * max(len(self.sources) - 1, 1)

    def margins(self, batch: Batch) -> Float64:
        """float64 [N]."""
        return self.graph.margins(batch)

    def interactions(self, batch: Batch, among: Sequence[int], *, seed: int = 0) -> Float64:
        """Sampled indices."""
        return sampled_interactions(self.graph, self.sources, batch, self.reference, among, seed=seed)

    def explain(self, batch: Batch) -> Attributions:
        """Sampled contributions with their errors."""
        margins = self.graph.margins(batch)
        found = sampled_values(
            _mixture(self.graph, self.sources, batch, self.reference),
            margins,
            self.reference_margins,
            players=len(self.sources),
            pairs=self.pairs,
            seed=self.seed,
        )
        return Attributions(self.base, margins, found.values, found.errors)


def explainer_of(
    model: bytes, inputs: InputContract, reference: Batch, *, pairs: int = PAIRS, seed: int = 0, exact: bool = True
) -> Explainer:
    """The exact explainer where the graph's margin is a sum of trees and columns with one source each, else sampling.

    Args:
        model: in the standard signature.
        inputs: its contract.
        reference: the cohort that rows are compared with, at least one row.
        pairs: of walks, where contributions are sampled.
        seed: of what is drawn then.
        exact: False samples in any case.
    """
    proto = onnx.load_from_string(model)
    index = GraphIndex.of(proto)
    margin = margin_of(index)
    additive = _additive(proto, index, margin, inputs, reference) if exact else None
    if additive is not None:
        return additive
    graph = GraphMargin.of(proto, margin)
    return SampledExplainer(graph, sources_of(inputs), reference, graph.margins(reference), pairs, seed)


def sampled_interactions(
    graph: GraphMargin, sources: Sequence[Source], batch: Batch, reference: Batch, among: Sequence[int], *, seed: int
) -> Float64:
    """Interaction indices of pairs among K sources: float64 [N, K, K], means of eight draws each.

    A draw is what the two change together beyond what each changes alone, beside a random coalition of the others whose
    size is uniform: Grabisch and Roubens (1999) as an expectation.
    """
    mixture = _mixture(graph, sources, batch, reference)
    draw = np.random.default_rng(seed)
    rows = np.repeat(np.arange(len(batch)), _DRAWS_OF_PAIRS)
    found = np.zeros((len(batch), len(among), len(among)))
    for (i, first), (j, second) in combinations(enumerate(among), 2):
        drawn = draw.integers(len(reference), size=len(rows))
        ranks = draw.random((len(rows), len(sources)))
        ranks[:, [first, second]] = np.inf
        sizes = draw.integers(0, len(sources) - 1, len(rows))
        others = np.argsort(np.argsort(ranks, axis=1), axis=1) < sizes[:, None]
        total = np.zeros(len(rows))
        for with_first, with_second in ((True, True), (True, False), (False, True), (False, False)):
            chosen = others.copy()
            chosen[:, first], chosen[:, second] = with_first, with_second
            total += (1 if with_first == with_second else -1) * mixture(rows, drawn, chosen)
        found[:, i, j] = found[:, j, i] = total.reshape(-1, _DRAWS_OF_PAIRS).mean(axis=1)
    return found


def _mixture(graph: GraphMargin, sources: Sequence[Source], batch: Batch, reference: Batch) -> Mixture:
    rows, others = _as_long(batch, reference)

    def mixture(row: RowIndices, other: RowIndices, chosen: Bools) -> Float64:
        return graph.margins(mixed(rows.take(row), others.take(other), chosen, sources))

    return mixture


def _additive(
    proto: onnx.ModelProto, index: GraphIndex, margin: Margin, inputs: InputContract, reference: Batch
) -> AdditiveExplainer | None:
    form = additive_form(index, margin.tensor)
    if form is None or not form.terms:
        return None
    names = [term.matrix for term in form.terms]
    graph = GraphMargin.of(proto, margin, names)
    matrices = _fetched(graph.scorer, names, reference)
    provenances = Provenances(index, _of_inputs(inputs))
    players = len(sources_of(inputs))
    trees, linear = [], []
    for term in form.terms:
        matrix = matrices[term.matrix]
        columns = provenances.columns(term.matrix, matrix.shape[1])
        used = np.unique(term.trees.column[term.trees.column >= 0]) if isinstance(term, TreeTerm) else term.weights
        places = used.tolist() if isinstance(term, TreeTerm) else np.flatnonzero(used).tolist()
        if any(len(columns[place]) > 1 for place in places):
            return None
        source = np.array([next(iter(each), -1) for each in columns], np.int32)
        if isinstance(term, TreeTerm):
            if any(source[place] < 0 for place in places):
                return None
            trees.append((term.matrix, TreeExplainer(term.trees, source, players, matrix.astype(np.float32))))
        else:
            linear.append((term, matrix.astype(np.float64).mean(axis=0), source))
    summed = _summed(form, matrices, len(reference))
    native = graph.margins(reference)
    if np.any(np.abs(summed - native) > ADDITIVITY * np.maximum(1, np.abs(native))):
        return None
    base = float(summed.mean())
    return AdditiveExplainer(graph, sources_of(inputs), reference, form, tuple(trees), tuple(linear), base)


def _summed(form: AdditiveForm, matrices: Mapping[str, Float64], rows: int) -> Float64:
    """float64 [N]: the margin as the form adds it up."""
    total = np.full(rows, form.constant)
    for term in form.terms:
        matrix = matrices[term.matrix]
        if isinstance(term, TreeTerm):
            total += term.trees.margin(matrix.astype(np.float32))
        else:
            total += matrix.astype(np.float64) @ term.weights
    return total


def _of_inputs(inputs: InputContract) -> dict[str, Provenance]:
    """The sources of each graph input."""
    features = len(inputs.features)
    steps = 0 if inputs.sequence is None else len(inputs.sequence.features)
    history: Provenance = Mixed(frozenset(range(features, features + steps + 1)))
    return {
        "features": Columns(tuple(frozenset({column}) for column in range(features))),
        **dict.fromkeys((SEQUENCE.name, SEQUENCE.presence), history),
        **dict.fromkeys((NEIGHBORS.name, NEIGHBORS.presence), Mixed(frozenset({len(sources_of(inputs)) - 1}))),
    }


def _fetched(scorer: OnnxScorer, names: Sequence[str], batch: Batch) -> dict[str, Float64]:
    """Tensors of all rows by name."""
    distinct = list(dict.fromkeys(names))
    feeds = batch.feeds()
    made = [name for name in distinct if name not in feeds]
    parts = [scorer.fetch(made, batch.take(part).feeds()) for part in _parts(len(batch))] if made else []
    found = {name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(made)}
    return {name: found[name] if name in found else feeds[name] for name in distinct}


def _parts(rows: int) -> list[slice]:
    return [slice(start, start + _AT_ONCE) for start in range(0, rows, _AT_ONCE)]


def _as_long(first: Batch, second: Batch) -> tuple[Batch, Batch]:
    """Both with as many places in each ragged input, so that rows can be mixed."""
    for kind in first.kinds:
        most = max(first.items(kind)[0].shape[1], second.items(kind)[0].shape[1])
        first, second = (_stretched(each, kind, most) for each in (first, second))
    return first, second


def _stretched(batch: Batch, kind: RaggedKind, places: int) -> Batch:
    items, present = batch.items(kind)
    more = (0, places - items.shape[1])
    return batch.with_items(kind, np.pad(items, ((0, 0), more, (0, 0))), np.pad(present, ((0, 0), more)))
