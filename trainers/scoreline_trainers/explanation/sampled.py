"""Contributions of any graph, by antithetic permutations over the whole of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from scoreline_registry.attributions.mixing import aligned
from scoreline_registry.attributions.permutations import Mixture, sampled_values
from scoreline_trainers.data.batch import Batch, Bools, Float64, RowIndices
from scoreline_trainers.explanation.document import Link
from scoreline_trainers.explanation.margins import Attributions, GraphMargin
from scoreline_trainers.explanation.sources import Source, mixed

PAIRS = 8
"""Pairs of walks for each row where contributions are sampled."""

_DRAWS_OF_PAIRS = 8


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
            _mixture(self.graph, batch, self.reference),
            margins,
            self.reference_margins,
            players=len(self.sources),
            pairs=self.pairs,
            seed=self.seed,
        )
        return Attributions(self.base, margins, found.values, found.errors)


def sampled_interactions(
    graph: GraphMargin, sources: Sequence[Source], batch: Batch, reference: Batch, among: Sequence[int], *, seed: int
) -> Float64:
    """Interaction indices of pairs among K sources: float64 [N, K, K], means of eight draws each.

    A draw is what the two change together beyond what each changes alone, beside a random coalition of the others whose
    size is uniform: Grabisch and Roubens (1999) as an expectation.
    """
    mixture = _mixture(graph, batch, reference)
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


def _mixture(graph: GraphMargin, batch: Batch, reference: Batch) -> Mixture:
    rows, others = (Batch(**each) for each in aligned(batch.feeds(), reference.feeds()))

    def mixture(row: RowIndices, other: RowIndices, chosen: Bools) -> Float64:
        return graph.margins(mixed(rows.take(row), others.take(other), chosen))

    return mixture
