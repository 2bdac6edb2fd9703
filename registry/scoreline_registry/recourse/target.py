"""The scores that recourse is to reach."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.contract import Band
from scoreline_registry.recourse.arrays import Bools, Float64

_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class Target:
    """Scores of ``at_least`` one number, or ``below`` one; exactly one of the two is set.

    Attributes:
        is_probability: whether distances are measured in log odds, in which most models are nearer to a straight line.
    """

    at_least: float | None = None
    below: float | None = None
    is_probability: bool = False

    def __post_init__(self) -> None:
        given = [each for each in (self.at_least, self.below) if each is not None]
        if len(given) != 1 or not math.isfinite(given[0]):
            raise ValueError("a target is one finite number that scores reach, or stay below")

    def met(self, scores: npt.NDArray[np.floating]) -> Bools:
        """bool [N]: whether each score is there; never for NaN."""
        wide = scores.astype(np.float64)
        there: Bools = wide < self.edge if self.at_least is None else wide >= self.edge
        return there

    def gaps(self, scores: npt.NDArray[np.floating]) -> Float64:
        """float64 [N]: how far each score is from the target, in log odds for probabilities; infinite for NaN."""
        sign = -1.0 if self.at_least is None else 1.0
        gaps = sign * (self._margins(np.array(self.edge, np.float64)) - self._margins(scores.astype(np.float64)))
        return np.where(np.isnan(gaps), np.inf, gaps)

    @property
    def edge(self) -> float:
        """The score that is reached, or stayed below."""
        return next(each for each in (self.at_least, self.below) if each is not None)

    def _margins(self, scores: Float64) -> Float64:
        if not self.is_probability:
            return scores
        odds: Float64 = np.clip(scores, _SMALLEST, 1 - _SMALLEST)
        return np.log(odds) - np.log1p(-odds)


def band_target(bands: Sequence[Band], name: str, score: float, *, is_probability: bool) -> Target | None:
    """The target of a row with a score that is to reach a band, or to pass it; None where it is in the band.

    Raises ValueError where there is no such band.
    """
    names = [band.name for band in bands]
    if name not in names:
        raise ValueError(f"there is no band {name!r}; there are {', '.join(names) or 'none'}")
    place = names.index(name)
    if score < bands[place].from_score:
        return Target(at_least=bands[place].from_score, is_probability=is_probability)
    if place + 1 < len(bands) and score >= bands[place + 1].from_score:
        return Target(below=bands[place + 1].from_score, is_probability=is_probability)
    return None
