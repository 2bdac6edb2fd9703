"""Calibration of scores of any family: fitted on scores of rows not trained on, exported as exact graph nodes."""

from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import Field

from scoreline_trainers.calibration.calibrated import Calibrated, Calibrator
from scoreline_trainers.calibration.isotonic import Isotonic
from scoreline_trainers.calibration.sigmoid import Sigmoid
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.columns import Spec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import DataError
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.family import Fitted

Method = Literal["isotonic", "sigmoid"]
MethodChoice = Literal["auto", "isotonic", "sigmoid"]
"""A method, or "auto" for the one that suits the number of rows."""

CALIBRATORS: Mapping[Method, Callable[[Label, Float64, Float64 | None], Calibrator]] = {
    "isotonic": Isotonic.fit,
    "sigmoid": Sigmoid.fit,
}
"""Each fits a calibrator on labels and scores of rows, and on what each row counts, None where all count alike."""

_ENOUGH_FOR_ISOTONIC = 1_000


class Calibration(Spec):
    """How a score is calibrated.

    Attributes:
        method: isotonic follows any rising curve and wants some thousand rows; sigmoid has two parameters.
        folds: the calibrator is fitted on scores of each fold by a model of the others, and the model on all rows.
        fraction: share of the training rows that is held out for the calibrator instead: one training, fewer rows.
    """

    method: Method
    folds: int = Field(default=5, ge=2)
    fraction: float | None = Field(default=None, gt=0, lt=1)


def method_for(choice: MethodChoice, label: Label) -> Method:
    """The method to fit to ``label`` [N]: of "auto", isotonic where 1,000 rows have each label, else sigmoid.

    With fewer rows isotonic regression follows their noise: Niculescu-Mizil and Caruana, Predicting Good Probabilities
    with Supervised Learning (ICML 2005).
    """
    if choice != "auto":
        return choice
    positives = int(label.sum())
    return "isotonic" if min(positives, len(label) - positives) >= _ENOUGH_FOR_ISOTONIC else "sigmoid"


def calibrated(model: Fitted, held_out: Dataset, method: Method) -> Calibrated:
    """``model`` with a calibrator fitted on rows that the model was not trained on.

    Raises:
        DataError: the rows hold one label only.
    """
    if held_out.positives in (0, len(held_out)):
        raise DataError("", f"the {len(held_out)} rows held out for calibration have one label: raise its fraction")
    return calibrated_by(model, held_out, model.predict(held_out.batch), method)


def calibrated_by(model: Fitted, data: Dataset, scores: Float64, method: Method) -> Calibrated:
    """``model`` with a calibrator fitted on ``scores`` [N] of rows by models like it that had not learned from them.

    Rows count by their weights in the population, not by those of their classes.
    """
    return Calibrated(data.inputs, model, CALIBRATORS[method](data.label, scores, data.population_weight))
