"""Metrics of a score: discrimination and calibration. Pure functions of label [N] (0 or 1) and score [N].

scikit-learn and SciPy are imported on first use: recipes are read, and versions published, without them.
"""

from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from scoreline_trainers.data.batch import Float64

Label = npt.NDArray[np.int8]
Metric = Callable[[Label, Float64], Mapping[str, float]]

ECE_BINS = 10


def auc(label: Label, score: Float64) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(label, score))


def auc_interval(label: Label, score: Float64, *, confidence: float = 0.95) -> tuple[float, float]:
    """A confidence interval of the AUC, cut to [0, 1].

    The variance is that of DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988), computed from midranks as Sun and
    Xu do (IEEE Signal Processing Letters 21, 2014).
    """
    from scipy.stats import rankdata

    positive, negative = score[label == 1], score[label == 0]
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[: len(positive)] - rankdata(positive)) / len(negative)
    below = 1 - (ranks[len(positive) :] - rankdata(negative)) / len(positive)
    variance = _variance(above) / len(positive) + _variance(below) / len(negative)
    centre = float(above.mean())
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * float(np.sqrt(variance))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def average_precision(label: Label, score: Float64) -> float:
    """Mean precision over the positives, sum of (R_n - R_(n-1)) P_n over distinct scores, without interpolation."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(label, score))


def brier(label: Label, score: Float64) -> float:
    """Mean squared difference of score and label (Brier, Monthly Weather Review 78, 1950)."""
    return float(np.mean((score - label) ** 2))


def ks(label: Label, score: Float64) -> float:
    """Kolmogorov-Smirnov: the largest gap between the score distributions of positives and negatives."""
    from sklearn.metrics import roc_curve

    false_positives, true_positives, _ = roc_curve(label, score)
    return float(np.max(np.abs(true_positives - false_positives)))


def expected_calibration_error(label: Label, score: Float64, *, bins: int = ECE_BINS) -> float:
    """Mean gap between mean score and share of positives, over ``bins`` bins of equally many rows by score.

    Equal-mass binning (Nixon et al., "Measuring Calibration in Deep Learning", CVPR workshops 2019): bins of equal
    width would put nearly every row of a rare label into the first.
    """
    order = np.argsort(score, kind="stable")
    gaps = [
        abs(float(score[part].mean() - label[part].mean())) * len(part)
        for part in np.array_split(order, min(bins, len(order)))
    ]
    return sum(gaps) / len(order)


def _auc_facts(label: Label, score: Float64) -> Mapping[str, float]:
    low, high = auc_interval(label, score)
    return {"auc": auc(label, score), "auc_low_95": low, "auc_high_95": high}


METRICS: Mapping[str, Metric] = {
    "auc": _auc_facts,
    "average_precision": lambda label, score: {"average_precision": average_precision(label, score)},
    "brier": lambda label, score: {"brier": brier(label, score)},
    "ks": lambda label, score: {"ks": ks(label, score)},
    "ece_10_equal_mass": lambda label, score: {"ece_10_equal_mass": expected_calibration_error(label, score)},
}


def evaluate(label: Label, score: Float64, names: Sequence[str] = tuple(METRICS)) -> dict[str, float]:
    """The named metrics; those that need both labels are left out where there is only one."""
    both = 0 < int(label.sum()) < len(label)
    usable = [name for name in names if both or name in ("brier", "ece_10_equal_mass")]
    return {key: value for name in usable for key, value in METRICS[name](label, score).items()}


def _variance(values: Float64) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0
