"""An adversarially trained dense network, for features that callers can manipulate, with an anomaly alarm.

The score comes from a network that learned against a generator of perturbed rows, behind a layer that takes
perturbations back out (``hardening``). Three detectors say how unlike the training rows a row is (``anomalies``).
Needs the extra ``deep``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import onnx
import torch
from pydantic import Field
from torch import nn

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Bools, Float64, RowIndices
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.families.anomaly.detectors import Alarm, Distance, Isolation, Statistical, View
from scoreline_trainers.families.networks.hardening import Hardened, HardeningConfig, harden
from scoreline_trainers.families.networks.modules.layers import dense
from scoreline_trainers.families.networks.network_training import seeded, stopping_split, weights_of
from scoreline_trainers.family import Fitted, features_only
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.graph.layers import DenseLayer
from scoreline_trainers.graph.preprocessing import Design
from scoreline_trainers.graph.tensor import Tensor, graph_input
from scoreline_trainers.progress import Progress

ANOMALY_SCORE, ANOMALY_FLAG = "anomaly_score", "anomaly_flag"


class GanHardenedConfig(HardeningConfig):
    """Options of the family; those of the training are in ``HardeningConfig``, of all descent in ``DescentConfig``.

    Attributes:
        attackable: the numbers that an attacker can change; by default all.
        false_positives: share of held-out rows that may be flagged.
        n_estimators: trees of the isolation forest.
        max_samples: rows that each of them is grown on.
        prototypes: number of centres of training rows that distances are measured to.
    """

    attackable: tuple[str, ...] | None = None
    false_positives: float = Field(default=0.02, gt=0, lt=0.5)
    n_estimators: int = Field(default=100, ge=1)
    max_samples: int = Field(default=256, ge=2, le=4096)
    prototypes: int = Field(default=64, ge=1)
    # A threshold that one row in fifty passes needs more rows than a decision to stop.
    stopping_fraction: float = Field(default=0.2, gt=0, lt=1)


@dataclass(frozen=True, slots=True, eq=False)
class FittedGanHardened(Fitted):
    """The network in double with its design matrix, and the detectors with their view."""

    inputs: InputContract
    design: Design
    model: Hardened
    view: View
    alarm: Alarm
    facts: Mapping[str, str | int | float]

    def predict(self, batch: Batch) -> Float64:
        """float64 [N], 0 to 1."""
        with torch.no_grad():
            score: Float64 = torch.sigmoid(self.model.margin(self._rows(batch))).numpy()
        return score

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """``anomaly_score``, above 1 for rows that are flagged, and ``anomaly_flag``, 1 for those and else 0."""
        seen = self.view.apply(*seen_of(self.design, batch))
        anomaly = self.alarm.apply(seen)
        return {ANOMALY_SCORE: anomaly, ANOMALY_FLAG: (anomaly > 1).astype(np.float64)}

    def tolerances(self) -> Mapping[str, float]:
        """A float32 in the forest's sums may differ in the last digits, which distances magnify."""
        return {ANOMALY_SCORE: 1e-4}

    def to_onnx(self) -> onnx.ModelProto:
        """Computes in double and rounds the outputs alone."""
        graph = GraphBuilder(self.inputs)
        features = graph_input(graph, "features")
        rows = self.design.emit(features)
        count = len(self.design.numbers)
        numbers = rows.columns(range(count))
        moves = _emit_dense(rows, [dense(self.model.wide), dense(self.model.narrow)])
        given = rows.columns(range(count, self.design.width)) if self.design.width > count else None
        denoised = numbers - moves if given is None else (numbers - moves).concat(given)
        margin = _emit_dense(denoised, [dense(cast("nn.Linear", layer)) for layer in self.model.layers])
        known = ~features.columns(self.design.numbers).isnan()
        anomaly = self.alarm.nodes(self.view.nodes(numbers, known, given))
        outputs = {ANOMALY_SCORE: anomaly, ANOMALY_FLAG: (anomaly > 1).cast()}
        extras = {name: Extra(tensor.cast(np.float32).name) for name, tensor in outputs.items()}
        score = margin.squeeze(1).apply("Sigmoid")
        return graph.build(score.cast(np.float32).name, extras=extras)

    def describe(self) -> Mapping[str, str | int | float]:
        """Epochs, what is defended against, and at which measure each detector alone raises the alarm."""
        pairs = zip(self.alarm.detectors, self.alarm.limits, strict=True)
        return {**self.facts, **{f"{detector.name} limit": round(float(limit), 4) for detector, limit in pairs}}

    def _rows(self, batch: Batch) -> torch.Tensor:
        return torch.from_numpy(self.design.apply(batch.table))


class GanHardened(BuiltIn):
    """The model family ``gan_hardened``."""

    name = "gan_hardened"
    config_type = GanHardenedConfig
    libraries: Sequence[str] = ("torch", "scikit-learn")

    def fit(self, data: Dataset, config: GanHardenedConfig, *, seed: int, progress: Progress) -> FittedGanHardened:
        """Trains the network, then fits the detectors; held-out rows decide when to stop and set the limits."""
        features = features_only(data, family=self.name)
        design = Design.fit(features, data.inputs.features, scaling=config.scaling)
        if not design.numbers:
            raise FitError(self.name, "learns from features of which one at least is a number that can be perturbed")
        train, validation = stopping_split(data, config, seed=seed)
        bound = _bound(data, design, config)
        with seeded(seed, threads=config.threads):
            model = Hardened(design.width, len(design.numbers), config)
            rows = torch.from_numpy(design.apply(features).astype(np.float32))
            epochs = harden(
                model, rows, torch.from_numpy(data.target.astype(np.float32)), weight=weights_of(data), bound=bound,
                train=train,
                validation=validation, config=config, seed=seed, progress=progress,
            )  # fmt: skip
        model = model.double().eval()
        progress.begin("fit detectors")
        view, alarm = _alarm(design, data, train, validation, config=config, seed=seed)
        facts = {"epochs": epochs, "epsilon": config.epsilon, "numbers defended": int((bound > 0).sum())}
        return FittedGanHardened(data.inputs, design, model, view, alarm, facts)


def seen_of(design: Design, batch: Batch) -> tuple[Float64, Bools, Float64]:
    """The inputs of a ``View``: numbers float64 [N, n], which of them are known, and the flags and one-hot columns."""
    rows = design.apply(batch.table)
    count = len(design.numbers)
    return rows[:, :count], ~np.isnan(batch.table[:, design.numbers]), rows[:, count:]


def _alarm(
    design: Design, data: Dataset, train: RowIndices, validation: RowIndices, *, config: GanHardenedConfig, seed: int
) -> tuple[View, Alarm]:
    seen = seen_of(design, data.batch.take(train))
    view = View.fit(*seen)
    usual = view.apply(*seen)
    detectors = (
        Isolation.fit(usual, trees=config.n_estimators, rows=config.max_samples, seed=seed),
        Statistical(),
        Distance.fit(usual, prototypes=config.prototypes, seed=seed),
    )
    others = view.apply(*seen_of(design, data.batch.take(validation)))
    return view, Alarm.fit(detectors, others, false_positives=config.false_positives)


def _bound(data: Dataset, design: Design, config: GanHardenedConfig) -> torch.Tensor:
    """float32 [D]: epsilon in every column that an attacker can change, else 0."""
    names = [data.inputs.features[column].name for column in design.numbers]
    unknown = set(config.attackable or ()) - set(names)
    if unknown:
        raise FitError(GanHardened.name, f"defends numbers, and {min(unknown)!r} is not among {', '.join(names)}")
    bound = torch.zeros(design.width)
    bound[: len(names)] = torch.tensor(
        [config.epsilon * (config.attackable is None or name in config.attackable) for name in names]
    )
    return bound


def _emit_dense(values: Tensor, layers: Sequence[DenseLayer]) -> Tensor:
    """[N, I] -> [N, O] in double: dense layers with ReLU between them."""
    for index, layer in enumerate(layers):
        if index:
            values = values.apply("Relu")
        values = values @ layer.weights.T + layer.bias
    return values
