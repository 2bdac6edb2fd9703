"""The reference rows of a version: a cohort of the population, and rows near a cut-off.

``reference.npz`` holds the graph inputs of both by name, those near the cut-off with ``near_cut_`` in front.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.signature import SIGNATURE
from scoreline_trainers.data.batch import Batch, Float64, RowIndices
from scoreline_trainers.gate.golden import read_arrays, write_arrays

POPULATION_ROWS = 100
NEAR_CUT_ROWS = 64

_NEAR_CUT = "near_cut_"


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Rows of the population, at least one, and rows with scores nearest a cut-off, where there is one."""

    population: Batch
    near_cut: Batch | None = None

    @classmethod
    def drawn(
        cls, rows: Batch, scores: Float64 | None = None, *, cut: float | None = None, count: int, seed: int
    ) -> "Cohort":
        """At most ``count`` rows at random, and at most 64 with the scores nearest ``cut``."""
        chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:count])
        near = None if cut is None or scores is None else rows.take(_nearest(scores, cut))
        return cls(rows.take(chosen), near)

    @classmethod
    def read(cls, data: bytes) -> "Cohort":
        """Reads what ``write`` wrote."""
        arrays = read_arrays(data)
        near = {name.removeprefix(_NEAR_CUT): each for name, each in arrays.items() if name.startswith(_NEAR_CUT)}
        return cls(
            Batch(**{name: arrays[name] for name in SIGNATURE if name in arrays}), Batch(**near) if near else None
        )

    def write(self) -> bytes:
        """The bytes of ``reference.npz``; equal cohorts give equal bytes."""
        near: dict[str, npt.NDArray[np.generic]] = {}
        if self.near_cut is not None:
            near = {f"{_NEAR_CUT}{name}": array for name, array in self.near_cut.feeds().items()}
        return write_arrays({**self.population.feeds(), **near})


def _nearest(scores: Float64, cut: float) -> RowIndices:
    return np.sort(np.argsort(np.abs(scores - cut), kind="stable")[:NEAR_CUT_ROWS])
