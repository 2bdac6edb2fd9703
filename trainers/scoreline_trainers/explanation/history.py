"""Which steps of a history a network looks at: integrated gradients and attention by age of the step."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float64, Int64
from scoreline_trainers.explanation.document import HistoryProfile, StepProfile
from scoreline_trainers.explanation.summary import sample

if TYPE_CHECKING:
    from scoreline_trainers.families.networks.gradients import Gradients

ROWS = 50
MOST_AGES = 60
_POINTS = 16


@runtime_checkable
class Differentiable(Protocol):
    """A trained network."""

    def gradients(self, batch: Batch, reference: Batch, *, points: int = 64) -> "Gradients":
        """Integrated gradients of the margin from the mean of the reference rows."""


def history_profile(
    model: object, inputs: InputContract, batch: Batch, reference: Batch, *, seed: int
) -> HistoryProfile | None:
    """Means over at most 50 rows; None for a model that is no network over a history."""
    if inputs.sequence is None or not isinstance(model, Differentiable) or not len(batch):
        return None
    rows = batch.take(sample(len(batch), ROWS, seed))
    found = model.gradients(rows, reference, points=_POINTS)
    if found.sequence is None:
        return None
    lengths = rows.history[1]
    sizes = np.abs(found.sequence.astype(np.float64))
    steps = tuple(
        StepProfile(name=name, gradients=_by_age(sizes[:, :, column], lengths))
        for column, name in enumerate(inputs.sequence.features)
    )
    attention = None if found.attention is None else _by_age(found.attention.astype(np.float64), lengths)
    return HistoryProfile(rows=len(rows), steps=steps, attention=attention, error=float(f"{found.error.mean():.3g}"))


def _by_age(values: Float64, lengths: Int64) -> tuple[float, ...]:
    """The mean of [N, T] at each age, the newest step first, over the rows that have such a step."""
    means = []
    for age in range(min(int(lengths.max()), MOST_AGES)):
        rows = np.flatnonzero(lengths > age)
        means.append(float(f"{values[rows, lengths[rows] - 1 - age].mean():.6g}"))
    return tuple(means)
