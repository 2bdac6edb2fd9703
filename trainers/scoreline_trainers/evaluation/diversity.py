"""Diversity of an ensemble's members, and selection of members: pure functions of scores [N, M] and label [N].

The measures are those of Kuncheva and Whitaker, Measures of Diversity in Classifier Ensembles and Their Relationship
with the Ensemble Accuracy (Machine Learning 51, 2003), section 2. They count, for two members, the rows on which both
are right (a), only the first (b), only the second (c) and neither (d).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.metrics import Label, auc

Right = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Diversity:
    """Every pair of M members; all arrays are float64 [M, M] and symmetric.

    Attributes:
        q_statistic: Yule's Q = (ad - bc) / (ad + bc), -1 to 1; 0 for independent members, low for diverse ones. Where
            that is 0/0: 1 for members that are right on the same rows, else 0.
        disagreement: (b + c) / N, 0 to 1; high for diverse members.
        double_fault: d / N, 0 to 1; low where one member makes up for the other.
        correlation: Pearson's, of the scores, -1 to 1; 0 for a member whose score never varies.
    """

    q_statistic: Float64
    disagreement: Float64
    double_fault: Float64
    correlation: Float64

    def means(self) -> dict[str, float]:
        """Each measure's mean over the pairs; of one member alone, 0."""
        return {name: _mean_of_pairs(getattr(self, name)) for name in self.__slots__}


def diversity(scores: Float64, label: Label) -> Diversity:
    """Every measure for every pair of the members whose scores are the columns of [N, M].

    A member says 1 for its highest scores, as many as there are labels 1: so members are compared whatever their scale
    and however rare the label.
    """
    right = correct(scores, label).astype(np.float64)
    wrong, rows = 1 - right, len(label)
    both, first, neither = right.T @ right, right.T @ wrong, wrong.T @ wrong
    return Diversity(
        q_statistic=_yule(both * neither, first * first.T, first + first.T),
        disagreement=(first + first.T) / rows,
        double_fault=neither / rows,
        correlation=_correlation(scores),
    )


def correct(scores: Float64, label: Label) -> Right:
    """bool [N, M]: where each member's decision is the label; of equal scores the earlier rows come first."""
    order = np.argsort(-scores, axis=0, kind="stable")
    rank = np.argsort(order, axis=0, kind="stable")
    right: Right = (rank < int(label.sum())) == (label == 1)[:, None]
    return right


def choose_members(scores: Float64, label: Label, k: int, *, weight: float = 0.2) -> tuple[int, ...]:
    """Selects up to ``k`` members greedily: the best one first, then each time the one that adds most to the worth.

    A set is worth ``(1 - weight) * AUC of its mean score + weight * mean disagreement of its pairs``. Weight 0 is the
    forward selection of Caruana et al., Ensemble Selection from Libraries of Models (ICML 2004), without replacement.

    Args:
        scores: float64 [N, M] on one scale, such as probabilities, of rows that no member has learned from.
        label: [N], both values.
        k: how many, at least 1.
        weight: of diversity, 0 to 1.

    Returns:
        Column indices in the order taken.

    Raises:
        ValueError: ``k`` or ``weight`` is out of range.
    """
    if k < 1 or not 0 <= weight <= 1:
        raise ValueError(f"k is at least 1 and weight from 0 to 1, not {k} and {weight:g}")
    disagreement = diversity(scores, label).disagreement

    def worth(members: Sequence[int]) -> float:
        chosen = list(members)
        together = auc(label, scores[:, chosen].mean(axis=1))
        return (1 - weight) * together + weight * _mean_of_pairs(disagreement[np.ix_(chosen, chosen)])

    taken: list[int] = []
    while len(taken) < min(k, scores.shape[1]):
        others = [member for member in range(scores.shape[1]) if member not in taken]
        taken.append(max(others, key=lambda member: worth([*taken, member])))
    return tuple(taken)


def _yule(alike: Float64, unlike: Float64, differing: Float64) -> Float64:
    total = alike + unlike
    undefined = np.where(differing == 0, 1.0, 0.0)
    return np.where(total > 0, (alike - unlike) / np.where(total > 0, total, 1), undefined)


def _correlation(scores: Float64) -> Float64:
    centred = scores - scores.mean(axis=0)
    length = np.where(np.ptp(scores, axis=0) > 0, np.linalg.norm(centred, axis=0), np.inf)
    unit = centred / length
    correlation: Float64 = unit.T @ unit
    return correlation


def _mean_of_pairs(matrix: Float64) -> float:
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    return float(pairs.mean()) if len(pairs) else 0.0
