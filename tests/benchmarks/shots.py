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
from scoreline_trainers.data.batch import Float64, RowIndices
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.evaluation.metrics import Label, auc
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.family import Fitted
from scoreline_trainers.heads.heads import log_odds
from scoreline_trainers.heads.record import ADAPTATION_FILE, Record
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
    strangers: Sequence[pl.DataFrame],
    columns: Columns,
    segment: str,
    *,
    configs: Mapping[str, Mapping[str, Any]],
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, list[Outcome]]:
    """What each family makes of strangers, one by one.

    Args:
        known: the rows of all other segments.
        strangers: the rows of each held-out segment.
        columns: what the tables' columns mean.
        segment: the feature that names segments.
        configs: the options of each family, and of ``mlp``.
        draws: how often ``SHOTS`` rows with both labels are drawn.
        seed: of the models and of the rows.
    """
    data, general = Dataset.from_table(known, columns), _Global.fit(known, columns, segment, configs["mlp"], seed=seed)
    fitted = {
        family: _fitted(family, data, {"segment": segment, **configs.get(family, {})}, seed=seed) for family in FEW_SHOT
    }
    outcomes: dict[str, list[Outcome]] = {family: [] for family in FEW_SHOT}
    for frame in strangers:
        judged = Dataset.from_table(frame, columns, inputs=data.inputs)
        picks = shown_rows(judged.label, draws=draws, seed=seed)
        base = _aucs(judged.label, [general.scores(frame)] * draws, picks)
        for family in FEW_SHOT:
            outcomes[family].append(Outcome(base, *_adapted(fitted[family], judged, picks)))
    return outcomes


@dataclass(frozen=True, slots=True, eq=False)
class _Global:
    """A model that does not see the segment."""

    columns: Columns
    data: Dataset
    model: Fitted

    @classmethod
    def fit(
        cls, known: pl.DataFrame, columns: Columns, segment: str, options: Mapping[str, Any], *, seed: int
    ) -> "_Global":
        features = tuple(spec for spec in columns.feature_specs(known.columns) if spec.name != segment)
        blind = columns.model_copy(update={"features": features})
        data = Dataset.from_table(known, blind)
        return cls(blind, data, _fitted("mlp", data, options, seed=seed))

    def scores(self, frame: pl.DataFrame) -> Float64:
        """float64 [N]."""
        return self.model.predict(Dataset.from_table(frame, self.columns, inputs=self.data.inputs).batch)


def _adapted(fitted: Fitted, judged: Dataset, picks: Sequence[RowIndices]) -> tuple[Float64, Float64]:
    """The AUCs without and with the rows of each draw."""
    graph = HeadedGraph.read(fitted.to_onnx().SerializeToString(), subject="the model")
    rule = Record.model_validate_json(fitted.files()[ADAPTATION_FILE]).rule
    states = graph.states(judged.batch)
    heads = [rule.head(states[rows], judged.label[rows], graph.heads) for rows in picks]
    before = _aucs(judged.label, [log_odds(states, graph.heads[-1])] * len(picks), picks)
    return before, _aucs(judged.label, [log_odds(states, head) for head in heads], picks)


def shown_rows(label: Label, *, draws: int, seed: int) -> list[RowIndices]:
    """``draws`` times ``SHOTS`` rows at random, drawn again where they have one label only."""
    draw, picks = np.random.default_rng(seed), list[RowIndices]()
    while len(picks) < draws:
        rows = draw.choice(len(label), SHOTS, replace=False)
        if 0 < label[rows].sum() < SHOTS:
            picks.append(rows)
    return picks


def _fitted(family: str, data: Dataset, options: Mapping[str, Any], *, seed: int) -> Fitted:
    chosen = FAMILIES[family]
    return chosen.fit(data, chosen.config_type(**options), seed=seed, progress=Silent())


def _aucs(label: Label, scores: Sequence[Float64], picks: Sequence[RowIndices]) -> Float64:
    """Of all rows but those that were drawn."""
    found = []
    for score, rows in zip(scores, picks, strict=True):
        others = np.delete(np.arange(len(label)), rows)
        found.append(auc(label[others], score[others]))
    return np.array(found)
