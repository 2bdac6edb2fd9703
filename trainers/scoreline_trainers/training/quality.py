"""The figures of a trained model on rows that it has not learned from."""

from collections.abc import Sequence

from scoreline_trainers.calibration.calibrated import Calibrated
from scoreline_trainers.evaluation.band_summary import BandSummary, band_warnings
from scoreline_trainers.evaluation.metrics import evaluate
from scoreline_trainers.evaluation.tasks import evaluate_task
from scoreline_trainers.training.summary import score_warnings
from scoreline_trainers.training.trained import Trained

CALIBRATION_METRICS = ("brier", "ece_10_equal_mass")


def metrics_of(trained: Trained) -> dict[str, float]:
    """The recipe's metrics of the validation rows; none without labels."""
    judged = trained.judged
    return evaluate_task(judged.data, judged.outputs, trained.recipe.measures) if judged.data.labelled else {}


def described(trained: Trained) -> dict[str, str | int | float]:
    """The model's facts about itself, and how well it did before it was calibrated."""
    facts, validation = dict(trained.fitted.describe()), trained.judged.data
    if isinstance(trained.fitted, Calibrated) and validation.labelled:
        score = trained.fitted.model.predict(validation.batch)
        before = evaluate(validation.outcome, score, CALIBRATION_METRICS)
        facts["without calibration"] = ", ".join(f"{name} {value:.4f}" for name, value in before.items())
    return facts


def quality_warnings(trained: Trained, bands: Sequence[BandSummary]) -> tuple[str, ...]:
    """The warnings about the score and its bands."""
    return (*score_warnings(trained.judged.data, trained.judged.scores), *band_warnings(bands))
