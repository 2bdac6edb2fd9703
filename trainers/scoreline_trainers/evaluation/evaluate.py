"""Evaluates the scores of rows that a model was not trained on: one document of figures, curves and tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from scoreline_registry.documents.contract import Band
from scoreline_trainers.evaluation.amounts.figures import regression_calibration
from scoreline_trainers.evaluation.binary.calibration import calibration_of
from scoreline_trainers.evaluation.binary.curves import precision_recall_curve, roc_curve
from scoreline_trainers.evaluation.binary.cuts import BEST_F1, named_cuts
from scoreline_trainers.evaluation.binary.deciles import deciles
from scoreline_trainers.evaluation.binary.profit import BEST_PROFIT, best_cut
from scoreline_trainers.evaluation.binary.ranked import Ranked
from scoreline_trainers.evaluation.classes.figures import class_figures, confusion_matrix
from scoreline_trainers.evaluation.costs import Costs
from scoreline_trainers.evaluation.document import BestCut, Cut, Evaluation, FairnessTable
from scoreline_trainers.evaluation.groups.fairness import fairness_table
from scoreline_trainers.evaluation.groups.figures import scored_metrics
from scoreline_trainers.evaluation.groups.periods import figures_over_time
from scoreline_trainers.evaluation.groups.segments import segment_figures
from scoreline_trainers.evaluation.scored import Scored
from scoreline_trainers.evaluation.spec import EvaluateSpec

GIVEN = "given"


def evaluate_scores(
    scored: Scored,
    spec: EvaluateSpec | None = None,
    *,
    costs: Costs | None = None,
    bands: Sequence[Band] = (),
    seed: int = 0,
    evaluated_on: str = "validation rows",
) -> Evaluation:
    """The evaluation of at least one row with a known outcome.

    Args:
        scored: rows that the model was not trained on.
        spec: what to show beside the metrics.
        costs: of decisions, for the best cut.
        bands: of the score: cuts are shown at their edges.
        seed: of the bootstrap.
        evaluated_on: what rows these are.

    Raises:
        DataError: a column of ``spec`` is not there.
    """
    spec = spec or EvaluateSpec()
    return Evaluation(
        task=scored.task,
        evaluated_on=evaluated_on,
        rows=len(scored),
        positives=scored.positives,
        metrics=scored_metrics(scored, draws=spec.bootstrap, seed=seed),
        by_segment={column: segment_figures(scored, column) for column in spec.segments},
        over_time=figures_over_time(scored, period=spec.period),
        **_parts(scored, spec, costs, bands, seed),
    )


def _parts(scored: Scored, spec: EvaluateSpec, costs: Costs | None, bands: Sequence[Band], seed: int) -> dict[str, Any]:
    """The fields that not every task has; those of decisions are of the score, so of the last of several classes."""
    units = scored.clusters
    if scored.amount is not None:
        return {"calibration": regression_calibration(scored.amount, scored.score, units=units)}
    if scored.probabilities is not None:
        return _binary(scored.of_the_score, spec, costs, bands, seed) | {
            "classes": class_figures(scored.label, scored.probabilities, scored.classes, units=units),
            "confusion_matrix": confusion_matrix(scored.label, scored.probabilities),
        }
    return _binary(scored, spec, costs, bands, seed)


def _binary(
    scored: Scored, spec: EvaluateSpec, costs: Costs | None, bands: Sequence[Band], seed: int
) -> dict[str, Any]:
    label, score, units = scored.label, scored.score, scored.clusters
    found: dict[str, Any] = {"calibration": calibration_of(label, score, probability=scored.probability, seed=seed)}
    cuts = named_cuts(label, score, _given_cuts(spec, bands), units)
    best = None if costs is None else best_cut(label, score, costs, units=units, probability=scored.probability)
    found |= {"cuts": cuts, "best_cut": best, "deciles": deciles(label, score)}
    if 0 < int(label.sum()) < len(label):
        ranked = Ranked.of(label, score)
        found |= {"roc": roc_curve(ranked), "precision_recall": precision_recall_curve(ranked)}
    return found | {"fairness": _fairness(scored, spec, cuts, best)}


def _given_cuts(spec: EvaluateSpec, bands: Sequence[Band]) -> Mapping[str, float]:
    """Band edges but for the first band, which everything is in, and the recipe's cuts."""
    edges = {f"band {band.name}": band.from_score for band in bands[1:]}
    return edges | {f"{GIVEN} {cut:g}": cut for cut in spec.cuts}


def _fairness(
    scored: Scored, spec: EvaluateSpec, cuts: Sequence[Cut], best: BestCut | None
) -> dict[str, FairnessTable]:
    decided = _decision_cut(cuts, best)
    if decided is None:
        return {}
    name, cut = decided
    return {
        column: fairness_table(scored, column, cut=cut, cut_name=name, favorable=spec.favorable, limits=spec.limits)
        for column in spec.fairness
    }


def _decision_cut(cuts: Sequence[Cut], best: BestCut | None) -> tuple[str, float] | None:
    """The best cut by costs, or else the first given one, the edge of the highest band, or the one with the best F1."""
    if best is not None:
        return BEST_PROFIT, best.cut.score
    given = [cut for cut in cuts if cut.name.startswith(GIVEN)]
    edges = [cut for cut in cuts if cut.name.startswith("band")]
    others = [cut for cut in cuts if cut.name == BEST_F1]
    chosen = next(iter((*given, *edges[::-1], *others)), None)
    return None if chosen is None else (chosen.name, chosen.score)
