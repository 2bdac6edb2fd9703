"""The explainer of a version's graph: exact where its margin is a sum, else by sampling."""

from collections.abc import Sequence
from typing import Protocol

import onnx

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.explanation.additive import (
    margin_of,
)
from scoreline_trainers.explanation.document import Link
from scoreline_trainers.explanation.exact import additive_explainer
from scoreline_trainers.explanation.graph_index import GraphIndex
from scoreline_trainers.explanation.margins import Attributions, GraphMargin
from scoreline_trainers.explanation.sampled import PAIRS, SampledExplainer
from scoreline_trainers.explanation.sources import Source, sources_of


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
    additive = additive_explainer(proto, index, margin, inputs, reference) if exact else None
    if additive is not None:
        return additive
    graph = GraphMargin.of(proto, margin)
    return SampledExplainer(graph, sources_of(inputs), reference, graph.margins(reference), pairs, seed)
