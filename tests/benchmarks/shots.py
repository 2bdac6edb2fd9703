"""Few-shot trials: labelled rows of a segment that no model has seen are drawn, and the others are judged.

The global model is an ``mlp`` that learned from the other segments and does not see which one a row is of. What a
family makes of the rows is computed as ``scoreline adapt`` does: from the graph, by the rule that the version carries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import t

from scoreline_trainers.adaptation.graph import HeadedGraph
from scoreline_trainers.adaptation.heads import log_odds
from scoreline_trainers.adaptation.record import ADAPTATION_FILE, Record
from scoreline_trainers.batch import Float64, Rows
from scoreline_trainers.columns import Columns
from scoreline_trainers.dataset import Dataset
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.families.base import Fitted
from scoreline_trainers.metrics import Label, auc
from scoreline_trainers.progress import Silent

FEW_SHOT = ("transfer", "multitask", "maml")
SHOTS = 10
DRAWS = 20


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over draws with its 95 % interval by Student's t."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float] | Float64) -> "Estimate":
        """Of two draws or more."""
        mean, count = float(np.mean(values)), len(values)
        reach = float(t.ppf(0.975, count - 1) * np.std(values, ddof=1) / np.sqrt(count))
        return cls(mean, mean - reach, mean + reach)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One held-out segment's AUCs, float64 [draws]: of the global model, without and with the rows drawn."""

    general: Float64
    without: Float64
    adapted: Float64


def play(
    known: pl.DataFrame,
    stranger: pl.DataFrame,
    columns: Columns,
    segment: str,
    *,
    configs: Mapping[str, Mapping[str, Any]],
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Outcome]:
    """What each family makes of a stranger.

    Args:
        known: the rows of all other segments.
        stranger: the held-out segment's rows.
        columns: what the tables' columns mean.
        segment: the feature that names segments.
        configs: the options of each family, and of ``mlp``.
        draws: how often ``SHOTS`` rows with both labels are drawn.
        seed: of the models and of the rows.
    """
    data = Dataset.from_table(known, columns)
    judged = Dataset.from_table(stranger, columns, inputs=data.inputs)
    picks = shown_rows(judged.label, draws=draws, seed=seed)
    general = _general(known, stranger, columns, segment, options=configs["mlp"], seed=seed)
    base = _aucs(judged.label, [general] * draws, picks)
    outcomes = {}
    for family in FEW_SHOT:
        fitted = _fitted(family, data, {"segment": segment, **configs.get(family, {})}, seed=seed)
        graph = HeadedGraph.read(fitted.to_onnx().SerializeToString())
        rule = Record.model_validate_json(fitted.files()[ADAPTATION_FILE]).rule
        states = graph.states(judged.batch)
        heads = [rule.head(states[rows], judged.label[rows], graph.heads) for rows in picks]
        before = _aucs(judged.label, [log_odds(states, graph.heads[-1])] * draws, picks)
        after = _aucs(judged.label, [log_odds(states, head) for head in heads], picks)
        outcomes[family] = Outcome(base, before, after)
    return outcomes


def shown_rows(label: Label, *, draws: int, seed: int) -> list[Rows]:
    """``draws`` times ``SHOTS`` rows at random, drawn again where they have one label only."""
    draw, picks = np.random.default_rng(seed), list[Rows]()
    while len(picks) < draws:
        rows = draw.choice(len(label), SHOTS, replace=False)
        if 0 < label[rows].sum() < SHOTS:
            picks.append(rows)
    return picks


def _general(
    known: pl.DataFrame,
    stranger: pl.DataFrame,
    columns: Columns,
    segment: str,
    *,
    options: Mapping[str, Any],
    seed: int,
) -> Float64:
    """The global model's scores of the stranger's rows."""
    features = tuple(spec for spec in columns.feature_specs(known.columns) if spec.name != segment)
    blind = columns.model_copy(update={"features": features})
    data = Dataset.from_table(known, blind)
    rows = Dataset.from_table(stranger, blind, inputs=data.inputs)
    return _fitted("mlp", data, options, seed=seed).predict(rows.batch)


def _fitted(family: str, data: Dataset, options: Mapping[str, Any], *, seed: int) -> Fitted:
    chosen = FAMILIES[family]
    return chosen.fit(data, chosen.config_type(**options), seed=seed, progress=Silent())


def _aucs(label: Label, scores: Sequence[Float64], picks: Sequence[Rows]) -> Float64:
    """Of all rows but those that were drawn."""
    found = []
    for score, rows in zip(scores, picks, strict=True):
        others = np.delete(np.arange(len(label)), rows)
        found.append(auc(label[others], score[others]))
    return np.array(found)
