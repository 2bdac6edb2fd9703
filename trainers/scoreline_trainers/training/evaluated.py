"""The evaluation of a trained model on the rows that it, or the models of the folds, have not learned from."""

from collections.abc import Sequence

import numpy as np

from scoreline_registry.documents.contract import Band
from scoreline_registry.documents.signature import CLASS_PROBABILITIES, HORIZON_SCORES
from scoreline_trainers.data.splits import unit_numbers
from scoreline_trainers.errors import RequirementError
from scoreline_trainers.evaluation.binary.figures import binary_metrics
from scoreline_trainers.evaluation.document import Evaluation, Interval, LeadTime
from scoreline_trainers.evaluation.evaluate import evaluate_scores
from scoreline_trainers.evaluation.groups.folds import fold_figures, spread_of
from scoreline_trainers.evaluation.lead_time.lead_time import lead_times
from scoreline_trainers.evaluation.lead_time.prefixes import prefix_scores
from scoreline_trainers.evaluation.requirements import shortfalls
from scoreline_trainers.evaluation.scored import Scored as ScoredRows
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.trained import Scored, Trained

VALIDATION, OUT_OF_FOLD, TEST = "validation rows", "out-of-fold rows", "test rows"


def evaluation_of(trained: Trained) -> Evaluation | None:
    """The evaluation of the judged rows, with that of the test part; None without labels. Raises DataError."""
    recipe, judged = trained.recipe, trained.judged
    if not judged.data.labelled:
        return None
    spec = recipe.score.with_cuts(judged.data.outcome, judged.scores)
    bands = spec.contract(task=recipe.task, classes=judged.data.classes).bands
    found = _evaluated(recipe, judged, bands, OUT_OF_FOLD if trained.refitted else VALIDATION)
    folds = tuple(
        fold_figures(number, rows_of(fold), training_rows=fold.learned_rows)
        for number, fold in enumerate(trained.folds if trained.refitted else (), start=1)
    )
    test = None if trained.test is None else _evaluated(recipe, trained.test, bands, TEST)
    return found.model_copy(
        update={"folds": folds, "fold_spread": spread_of(folds), "lead_time": _lead_times(trained), "test": test}
    )


def check_requirements(recipe: Recipe, evaluation: Evaluation | None) -> None:
    """Raises RequirementError where the version falls short of the recipe's ``require``."""
    short = () if evaluation is None else shortfalls(recipe.require, evaluation)
    if short:
        raise RequirementError(recipe.name, short)


def rows_of(scored: Scored, columns: Sequence[str] = ()) -> ScoredRows:
    """The rows as the evaluation takes them, with the columns of the table that they are grouped by."""
    data = scored.data
    return ScoredRows(
        score=scored.scores,
        label=data.label,
        amount=data.amount,
        probabilities=scored.extras[CLASS_PROBABILITIES] if data.classes else None,
        classes=data.classes,
        units=None if data.unit is None else unit_numbers(data.unit, len(data)),
        time=data.time,
        columns=scored.frame.select(columns),
    )


def _evaluated(recipe: Recipe, scored: Scored, bands: Sequence[Band], evaluated_on: str) -> Evaluation:
    found = evaluate_scores(
        rows_of(scored, recipe.evaluate.columns),
        recipe.evaluate,
        costs=recipe.costs,
        bands=bands,
        seed=recipe.seed,
        evaluated_on=evaluated_on,
    )
    return found.model_copy(update={"metrics": found.metrics | _horizon_areas(scored)})


def _horizon_areas(scored: Scored) -> dict[str, Interval]:
    """The AUC of each horizon by its own score, as ``auc_<horizon>``."""
    data = scored.data
    if data.horizon_labels is None:
        return {}
    found = {}
    for name, label, score in zip(data.horizons, data.horizon_labels.T, scored.extras[HORIZON_SCORES].T, strict=True):
        area = binary_metrics(label, score, draws=0).get("auc")
        if area is not None:
            found[f"auc_{name}"] = area
    return found


def _lead_times(trained: Trained) -> tuple[LeadTime, ...]:
    """Of the test part, or else of the validation rows, which the published model has not learned from either."""
    spec = trained.recipe.evaluate.lead_time
    if spec is None:
        return ()
    data = (trained.test or trained.judged).data
    drawn = np.random.default_rng(trained.recipe.seed).permutation(len(data))[: spec.entities]
    sample = data.take(np.sort(drawn))
    scores = prefix_scores(trained.fitted.predict, sample.batch, window=spec.window)
    return lead_times(sample.outcome, scores, false_alarm_rates=spec.false_alarm_rates, step_days=spec.step_days)
