"""The figures of a trained model on rows that it has not learned from."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from scoreline_trainers.evaluation.bands.summary import BandSummary, band_warnings
from scoreline_trainers.evaluation.metrics import evaluate
from scoreline_trainers.evaluation.tasks import evaluate_task
from scoreline_trainers.training.reports.summary import score_warnings
from scoreline_trainers.training.trained import Trained

CALIBRATION_METRICS = ("brier", "ece_10_equal_mass")

_INTERVAL = ("_low_95", "_high_95")


def metrics_of(trained: Trained) -> dict[str, float]:
    """The recipe's metrics of the validation rows, and of the test part as ``test_...``; none without labels.

    With several folds each is the mean over the folds, with their standard deviation as ``..._std``.
    """
    names = trained.recipe.measures
    if not trained.judged.data.labelled:
        return {}
    found = [evaluate_task(fold.data, fold.outputs, names) for fold in trained.folds]
    metrics = spread(found) if trained.refitted else found[0]
    test = trained.test
    tested = {} if test is None else evaluate_task(test.data, test.outputs, names)
    return metrics | {f"test_{name}": value for name, value in tested.items()}


def spread(folds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean and standard deviation of each metric over the folds that have it; intervals of one fold are left out."""
    names = dict.fromkeys(name for fold in folds for name in fold if not name.endswith(_INTERVAL))
    metrics = {}
    for name in names:
        values = [fold[name] for fold in folds if name in fold]
        metrics[name] = float(np.mean(values))
        metrics[f"{name}_std"] = float(np.std(values, ddof=min(1, len(values) - 1)))
    return metrics


def described(trained: Trained) -> dict[str, str | int | float]:
    """The model's facts about itself, and how well it did before it was calibrated."""
    facts, judged = dict(trained.fitted.describe()), trained.judged
    if judged.uncalibrated is not None and judged.data.labelled:
        before = evaluate(judged.data.outcome, judged.uncalibrated, CALIBRATION_METRICS)
        facts["without calibration"] = ", ".join(f"{name} {value:.4f}" for name, value in before.items())
    return facts


def choices_of(trained: Trained) -> dict[str, str]:
    """What the selection of features and the search chose, in words."""
    found, selection, search = {}, trained.selection, trained.search
    if selection is not None:
        kept = sum(feature.kept for feature in selection.features)
        found["features kept"] = f"{kept} of {len(selection.features)}; {selection.method}"
    if search is not None and search.best is not None:
        best, own = search.trials[search.best], search.trials[0]
        options = ", ".join(f"{name} {value}" for name, value in best.config.items())
        found["options found"] = (
            f"{options}; {search.metric} {best.value:.4f} in trial {best.number} of {len(search.trials) - 1}, "
            f"{own.value:.4f} with the recipe's own"
        )
    return found


def quality_warnings(trained: Trained, bands: Sequence[BandSummary]) -> tuple[str, ...]:
    """The warnings about the score, its bands, and figures of rows on which options or features were chosen."""
    return (
        *score_warnings(trained.judged.data, trained.judged.scores),
        *band_warnings(bands),
        *_choice_warnings(trained),
    )


def _choice_warnings(trained: Trained) -> Iterator[str]:
    chosen = [key for key, found in (("select", trained.selection), ("search", trained.search)) if found is not None]
    if chosen and trained.refitted and trained.test is None:
        what = " and ".join(f"`{key}`" for key in chosen)
        yield f"{what} chose on the rows of the folds, so the metrics are a little too good: set a `test` part aside"
