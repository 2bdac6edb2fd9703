"""Contributions of a graph whose margin is a sum of trees and of columns with one source each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from scoreline_registry.attributions.tree_values import TreeExplainer
from scoreline_registry.attributions.trees import Int32
from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.explanation.additive import (
    AdditiveForm,
    LinearTerm,
    Margin,
    TreeTerm,
    additive_form,
)
from scoreline_trainers.explanation.document import Link
from scoreline_trainers.explanation.graph_index import GraphIndex
from scoreline_trainers.explanation.margins import Attributions, GraphMargin, fetched
from scoreline_trainers.explanation.provenance import Columns, Mixed, Provenance, Provenances
from scoreline_trainers.explanation.sampled import sampled_interactions
from scoreline_trainers.explanation.sources import Source, sources_of

ADDITIVITY = 1e-4
"""The largest difference between the sum of an additive form and the graph's margin, relative to margins above 1."""

MOST_NODES_FOR_PAIRS = 20_000
"""Nodes of all trees up to which interactions are exact."""


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
        return fetched(self.graph.scorer, [term.matrix for term in self.form.terms], batch)


def additive_explainer(
    proto: onnx.ModelProto, index: GraphIndex, margin: Margin, inputs: InputContract, reference: Batch
) -> AdditiveExplainer | None:
    """The explainer of a margin, or None where the margin is no such sum."""
    form = additive_form(index, margin.tensor)
    if form is None or not form.terms:
        return None
    names = [term.matrix for term in form.terms]
    graph = GraphMargin.of(proto, margin, names)
    matrices = fetched(graph.scorer, names, reference)
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
