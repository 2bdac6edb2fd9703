"""What a model family is.

A family sees encoded columns and never where they came from: whatever computes columns in front of a model, or bends
its score behind it, wraps a ``Fitted`` in another ``Fitted`` and joins the two graphs. So the steps of a recipe
compose, and the gate proves the whole.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import onnx

from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.data.columns import Spec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.progress import Progress


class FamilyConfig(Spec):
    """The base of a family's part of a recipe: frozen, strict, every option with a default where there is one."""

    @property
    def nested(self) -> "Sequence[tuple[str, FamilyConfig]]":
        """The families, with their options, that a model of this one is made of."""
        return ()


ConfigT = TypeVar("ConfigT", bound=FamilyConfig)


class Fitted(Protocol):
    """A trained model. Families subclass this and say at least the first two; the rest has defaults."""

    def predict(self, batch: Batch) -> Float64:
        """The native score, float64 [N]: the reference that the graph is compared with."""

    def to_onnx(self) -> onnx.ModelProto:
        """The same function as a graph in the standard signature. Raises ExportError where there is no exact one."""

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """The graph's further outputs by name, natively, first axis N."""
        del batch
        return {}

    def tolerances(self) -> Mapping[str, float]:
        """Output -> the largest difference from its native value that is right, where the gate's own is too narrow."""
        return {}

    def edges(self) -> Mapping[int, Float32]:
        """Feature column -> float32 values at which the score may jump; the gate probes rows exactly there."""
        return {}

    def describe(self) -> Mapping[str, str | int | float]:
        """Facts for people: sizes, rounds run, what matters most."""
        return {}

    def files(self) -> Mapping[str, bytes]:
        """Further files of the version by name, such as a booster's own text."""
        return {}


class Family(Protocol[ConfigT]):
    """A kind of model."""

    @property
    def name(self) -> str:
        """What a recipe calls it."""

    @property
    def config_type(self) -> type[ConfigT]:
        """What its part of a recipe may say."""

    @property
    def libraries(self) -> Sequence[str]:
        """The distributions whose versions decide what is learned."""

    def fit(self, data: Dataset, config: ConfigT, *, seed: int, progress: Progress) -> Fitted:
        """Learns from ``data``; what decides when to stop is held out of it. Equal arguments give equal models.

        Raises:
            FitError: the dataset lacks what the family needs.
        """
