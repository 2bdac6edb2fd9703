"""A model of any family over the scores of members, and over raw features beside them.

What it reads is computed by ONNX Runtime natively too: trees over scores would part rows whose scores differ in the
last digit. For the same reason scores are rounded: log odds to 1/1024, amounts to some 1/16,384 of the largest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor, log2

import numpy as np
import onnx

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_registry.documents.signature import SCORE
from scoreline_trainers.calibration import CALIBRATORS, MethodChoice, method_for
from scoreline_trainers.calibration.calibrated import Calibrator
from scoreline_trainers.calibration.odds import log_odds, log_odds_nodes
from scoreline_trainers.data.batch import Batch, Float32, Float64, Int64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families.ensembles.ensemble import MEMBER_SCORES, side_by_side
from scoreline_trainers.families.ensembles.members import Member, MemberSpec, edges_of, fit_member, tolerances_of
from scoreline_trainers.families.ensembles.regressions import EXTREME
from scoreline_trainers.family import Fitted
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.graph.tensor import Tensor, graph_input
from scoreline_trainers.progress import Progress

_COLUMNS = "columns"
_ENSEMBLE = "stacking"


@dataclass(frozen=True, slots=True, eq=False)
class MetaColumns:
    """The columns of a meta-model: a score of each member, then the features, where they are passed through.

    Attributes:
        inputs: the contract of the whole.
        members: M.
        passthrough: whether features follow.
        step: scores are multiples of it: of log odds, or of amounts where ``amounts``.
        amounts: whether scores are amounts.
    """

    inputs: InputContract
    members: tuple[Member, ...]
    passthrough: bool
    step: float
    amounts: bool

    @classmethod
    def of(cls, data: Dataset, members: Sequence[Member], *, passthrough: bool) -> "MetaColumns":
        """For members trained on ``data``. Raises FitError where there are no features to pass through."""
        if passthrough and data.features is None:
            raise FitError(_ENSEMBLE, "passes features through, and the recipe has none: leave 'passthrough' out")
        largest = 1.0 if data.amount is None else float(np.abs(data.amount).max()) or 1.0
        step = 2.0**-10 if data.amount is None else 2.0 ** (floor(log2(largest)) - 14)
        return cls(data.inputs, tuple(members), passthrough, step, data.amount is not None)

    @property
    def contract(self) -> InputContract:
        """The inputs of the meta-model."""
        scores = tuple(Feature(name=f"score of {member.name}") for member in self.members)
        return InputContract(features=(*scores, *(self.inputs.features if self.passthrough else ())))

    def training(self, data: Dataset, scores: Float64) -> Dataset:
        """Rows for the meta-model, of scores float64 [N, M] by members that had not learned from them."""
        table = self._rounded(scores if self.amounts else log_odds(scores, EXTREME))
        if self.passthrough:
            table = np.concatenate([table, data.batch.table], axis=1)
        return replace(data, inputs=self.contract, batch=Batch(features=table))

    def scorer(self) -> OnnxScorer:
        """Runs the graph that makes the columns, as its output ``columns``."""
        graph = GraphBuilder(self.inputs)
        table = self.nodes(graph, self.scores(graph))
        model = graph.build_outputs({_COLUMNS: Extra(table.name, (len(self.contract.features),))})
        return OnnxScorer(model.SerializeToString())

    def scores(self, graph: GraphBuilder) -> Sequence[Tensor]:
        """The members' graphs side by side: a score float32 [N] of each."""
        found = [graph.embed(each.model.to_onnx(), prefix=f"member_{k}") for k, each in enumerate(self.members)]
        return [Tensor(graph, outputs[SCORE].tensor, np.float32) for outputs in found]

    def nodes(self, graph: GraphBuilder, scores: Sequence[Tensor]) -> Tensor:
        """The columns as graph nodes: float32 [N, M] or [N, M + F]."""
        read = [score.cast() if self.amounts else log_odds_nodes(score, EXTREME) for score in scores]
        table = ((side_by_side(read) * (1 / self.step)).apply("Round") * self.step).cast(np.float32)
        return table.concat(graph_input(graph, "features")) if self.passthrough else table

    def _rounded(self, scores: Float64) -> Float32:
        return (np.round(scores / self.step) * self.step).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class MetaModel(Fitted):
    """Members, a model over their scores, and a calibrator behind it where there is one."""

    columns: MetaColumns
    scorer: OnnxScorer
    meta: Member
    calibrator: Calibrator | None
    facts: Mapping[str, str | int | float] = field(default_factory=dict)

    def predict(self, batch: Batch) -> Float64:
        """float64 [N]."""
        score = self.meta.predict(Batch(features=self.scorer.run(batch)[_COLUMNS]))
        return score if self.calibrator is None else self.calibrator.apply(score)

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """Each member's score, float64 [N, M]."""
        return {MEMBER_SCORES: np.stack([member.predict(batch) for member in self.columns.members], axis=1)}

    def to_onnx(self) -> onnx.ModelProto:
        """The members' graphs, their scores as columns, the meta-model's graph and the calibrator's nodes."""
        graph = GraphBuilder(self.columns.inputs)
        scores = self.columns.scores(graph)
        table = self.columns.nodes(graph, scores)
        outputs = graph.embed(self.meta.model.to_onnx(), prefix="meta", feeds={"features": table.name})
        score = Tensor(graph, outputs[SCORE].tensor, np.float32)
        if self.calibrator is not None:
            score = self.calibrator.nodes(score.cast()).cast(np.float32)
        members = Extra(side_by_side(scores).name, (len(scores),))
        return graph.build(score.name, extras={MEMBER_SCORES: members})

    def tolerances(self) -> Mapping[str, float]:
        """The widest tolerance of the members and of the meta-model."""
        own = tolerances_of(self.columns.members, (MEMBER_SCORES,))
        return {**own, **tolerances_of((self.meta,), (SCORE,))}

    def edges(self) -> Mapping[int, Float32]:
        """The members', and those of the meta-model in features that are passed through."""
        width = len(self.columns.members)
        found = dict(edges_of(self.columns.members))
        for column, values in self.meta.model.edges().items():
            if column >= width:
                both = [found.get(column - width, np.empty(0, np.float32)), values]
                found[column - width] = np.unique(np.concatenate(both))
        return found

    def describe(self) -> Mapping[str, str | int | float]:
        """The meta-model, how the members differ, and their own facts."""
        names = ", ".join(member.name for member in self.columns.members)
        calibration = "none" if self.calibrator is None else self.calibrator.describe()
        facts = {"members": names, "meta-model": self.meta.name, **self.meta.describe(), "calibration": calibration}
        own = {name: value for member in self.columns.members for name, value in member.describe().items()}
        return {**facts, **self.facts, **own}


def fit_meta_model(
    spec: MemberSpec,
    columns: MetaColumns,
    rows: Dataset,
    fold: Int64,
    *,
    calibration: MethodChoice | None,
    facts: Mapping[str, str | int | float],
    seed: int,
    progress: Progress,
) -> MetaModel:
    """Fits the meta-model on out-of-fold ``rows``, and a calibrator cross-fitted over the same folds [N].

    Raises:
        FitError: the family of the meta-model cannot learn from these rows.
    """
    named = spec.model_copy(update={"name": f"meta {spec.title}"})

    def fitted(data: Dataset) -> Member:
        return fit_member(named, data, ensemble=_ENSEMBLE, seed=seed, progress=progress)

    calibrator: Calibrator | None = None
    if calibration is not None and rows.amount is None:
        score = np.empty(len(rows))
        for each in np.unique(fold):
            learned, held = (rows.take(np.flatnonzero(side)) for side in (fold != each, fold == each))
            score[fold == each] = fitted(learned).predict(held.batch)
        calibrator = CALIBRATORS[method_for(calibration, rows.label)](rows.label, score, rows.population_weight)
    return MetaModel(columns, columns.scorer(), fitted(rows), calibrator, facts)
