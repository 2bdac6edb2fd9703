"""The rows of a ramp's step as arrays, which guards add up."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class StepRows:
    """N rows that were assigned at random to the growing arm or to another arm, in the order they were scored.

    Attributes:
        in_arm: bool [N], whether the growing arm was assigned.
        batches: int64 [N]: rows of equal numbers were scored together, so that they fail and wait together.
        calls: int64 [N], random, and equal for rows that came in one call.
        strata: int64 [N]: within a stratum the shares of the arms were the same.
        is_first: bool [N], whether it is the first row of its unit in this step.
        failed: bool [N], whether the assigned arm did not answer: an error, or the fallback did.
        scores: float64 [N], NaN where there is none.
        bands: the name of each row's band, empty without one.
        missing: bool [N], whether an input was missing.
        latencies_ms: float64 [N], from the call's arrival until it was scored.
        segments: per wanted segmentation, the value of each row.
    """

    in_arm: Bools
    batches: npt.NDArray[np.int64]
    calls: npt.NDArray[np.int64]
    strata: npt.NDArray[np.int64]
    is_first: Bools
    failed: Bools
    scores: npt.NDArray[np.float64]
    bands: npt.NDArray[np.object_]
    missing: Bools
    latencies_ms: npt.NDArray[np.float64]
    segments: "dict[str, npt.NDArray[np.object_]]"

    def __len__(self) -> int:
        return len(self.in_arm)

    @property
    def batch_arms(self) -> npt.NDArray[np.int64]:
        """Equal for rows of one batch that were assigned alike: int64 [N]."""
        return self.batches * 2 + self.in_arm

    def taken(self, rows: npt.NDArray[Any]) -> "StepRows":
        """The rows of a mask or of indices."""
        columns = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "segments"}
        segments = {name: column[rows] for name, column in self.segments.items()}
        return StepRows(**{name: column[rows] for name, column in columns.items()}, segments=segments)


@dataclass(frozen=True, slots=True)
class Pairs:
    """N rows that another arm answered and the growing arm scored as a shadow; the first row of each unit.

    Attributes:
        answered, shadowed: float64 [N], the two scores.
        answered_bands, shadowed_bands: the names of their bands, empty without one.
        segments: per wanted segmentation, the value of each row.
    """

    answered: npt.NDArray[np.float64]
    shadowed: npt.NDArray[np.float64]
    answered_bands: npt.NDArray[np.object_]
    shadowed_bands: npt.NDArray[np.object_]
    segments: "dict[str, npt.NDArray[np.object_]]"

    def __len__(self) -> int:
        return len(self.answered)

    def taken(self, rows: npt.NDArray[Any]) -> "Pairs":
        """The rows of a mask or of indices."""
        segments = {name: column[rows] for name, column in self.segments.items()}
        return Pairs(
            self.answered[rows],
            self.shadowed[rows],
            self.answered_bands[rows],
            self.shadowed_bands[rows],
            segments,
        )


def texts(values: Sequence[str]) -> npt.NDArray[np.object_]:
    """Texts as an array of objects, also where they are of equal length."""
    column = np.empty(len(values), object)
    column[:] = values
    return column
