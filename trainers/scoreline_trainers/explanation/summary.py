"""What the contributions of many rows say of a model as a whole."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

from scoreline_trainers.data.batch import Batch, Float64, RowIndices
from scoreline_trainers.explanation.document import (
    Contribution,
    Dependence,
    Importance,
    Interaction,
    SummaryRow,
    Waterfall,
)
from scoreline_trainers.explanation.explainers import Explainer
from scoreline_trainers.explanation.margins import Attributions
from scoreline_trainers.explanation.sources import Source

TOP = 10
POINTS = 300
INTERACTION_ROWS = 50
SAMPLED_INTERACTION_ROWS = 20
_TOP_SAMPLED = 5
_DRAWS = 200
_SHOWN = 12


def ranking(sources: Sequence[Source], batch: Batch, values: Float64, *, seed: int = 0) -> tuple[Importance, ...]:
    """The sources by mean absolute contribution, the largest first; equal ones in the order of the inputs."""
    sizes = np.abs(values)
    importance = sizes.mean(axis=0) if len(values) else np.zeros(len(sources))
    low, high = _interval(sizes, seed=seed)
    total = importance.sum()
    return tuple(
        Importance(
            name=sources[place].name,
            kind=sources[place].kind,
            importance=_rounded(importance[place]),
            low=_rounded(low[place]),
            high=_rounded(high[place]),
            share=_rounded(importance[place] / total) if total > 0 else 0.0,
            direction=_direction(sources[place], batch, values[:, place]),
        )
        for place in np.argsort(-importance, kind="stable").tolist()
    )


def dependence(source: Source, batch: Batch, values: Float64, *, seed: int = 0) -> Dependence:
    """Values and contributions of one source in at most 300 rows; ``values`` float64 [N] are its contributions."""
    rows = sample(len(batch), POINTS, seed)
    return Dependence(
        name=source.name,
        kind=source.kind,
        values=tuple(source.value(batch, row) for row in rows.tolist()),
        contributions=tuple(_rounded(each) for each in values[rows].tolist()),
    )


def summary_row(source: Source, batch: Batch, values: Float64, *, seed: int = 0) -> SummaryRow:
    """Points of one source in a summary plot; the same rows for each source."""
    rows = sample(len(batch), POINTS, seed)
    ranks: list[float | None] = [None] * len(rows)
    if source.kind == "number":
        column = batch.table[rows, source.column].astype(np.float64)
        known = np.flatnonzero(~np.isnan(column))
        places = (rankdata(column[known]) - 0.5) / max(len(known), 1)
        for place, rank in zip(known.tolist(), places.tolist(), strict=True):
            ranks[place] = round(rank, 3)
    contributions = tuple(_rounded(each) for each in values[rows].tolist())
    return SummaryRow(name=source.name, ranks=tuple(ranks), contributions=contributions)


def interactions(explainer: Explainer, batch: Batch, top: Sequence[int], *, seed: int = 0) -> tuple[Interaction, ...]:
    """The strongest pairs among the sources ``top``; where contributions are sampled, among the first few of them."""
    rows = batch.take(sample(len(batch), SAMPLED_INTERACTION_ROWS if explainer.sampled else INTERACTION_ROWS, seed))
    among = top[:_TOP_SAMPLED] if explainer.sampled else top
    if not len(rows) or len(among) < 2:
        return ()
    indices = explainer.interactions(rows, among, seed=seed)
    found = [
        _interaction(explainer.sources[among[i]].name, explainer.sources[among[j]].name, indices[:, i, j], seed=seed)
        for i, j in combinations(range(len(among)), 2)
    ]
    return tuple(sorted((each for each in found if each.strength > 0), key=lambda each: -each.strength)[:TOP])


def waterfall(
    title: str, row: int, score: float, *, sources: Sequence[Source], batch: Batch, found: Attributions
) -> Waterfall:
    """One row with its largest contributions."""
    order = np.argsort(-np.abs(found.values[row]), kind="stable")
    shown = [place for place in order[:_SHOWN].tolist() if found.values[row, place] != 0]
    contributions = tuple(
        Contribution(
            name=sources[place].name,
            value=sources[place].value(batch, row),
            contribution=float(found.values[row, place]),
            error=None if found.errors is None else _rounded(found.errors[row, place]),
        )
        for place in shown
    )
    others = float(found.values[row].sum()) - sum(each.contribution for each in contributions)
    return Waterfall(
        title=title,
        score=score,
        margin=float(found.margins[row]),
        base=found.base,
        contributions=contributions,
        others=others if len(shown) < len(sources) else 0.0,
    )


def notable_rows(scores: Float64, cut: float | None) -> dict[str, int]:
    """Rows to show one by one, by title."""
    if not len(scores):
        return {}
    order = np.argsort(scores, kind="stable")
    rows = {"lowest score": int(order[0]), "median score": int(order[len(order) // 2])}
    if cut is not None:
        rows["nearest the cut"] = int(np.argmin(np.abs(scores - cut)))
    return {**rows, "highest score": int(order[-1])}


def sample(rows: int, count: int, seed: int) -> RowIndices:
    """At most ``count`` of the rows, ascending."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])


def _interaction(first: str, second: str, indices: Float64, *, seed: int) -> Interaction:
    sizes = np.abs(indices)[:, None]
    low, high = _interval(sizes, seed=seed)
    return Interaction(
        first=first,
        second=second,
        strength=_rounded(float(sizes.mean())),
        low=_rounded(low[0]),
        high=_rounded(high[0]),
    )


def _interval(sizes: Float64, *, seed: int) -> Float64:
    """float64 [2, K]: the 95 % percentile interval of the means of [N, K] over bootstrap samples of rows."""
    rows, columns = sizes.shape
    if not rows:
        return np.zeros((2, columns))
    weights = np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), size=_DRAWS) / rows
    interval: Float64 = np.quantile(weights @ sizes, [0.025, 0.975], axis=0)
    return interval


def _direction(source: Source, batch: Batch, values: Float64) -> float | None:
    """Spearman's rank correlation."""
    if source.kind != "number" or not len(values):
        return None
    column = batch.table[:, source.column].astype(np.float64)
    known = np.isfinite(column)
    # Contributions that differ in the last digits only are equal.
    first, second = rankdata(column[known]), rankdata(values[known].round(12))
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return round(float(np.corrcoef(first, second)[0, 1]), 3)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
