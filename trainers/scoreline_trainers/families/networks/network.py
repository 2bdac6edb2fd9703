"""Families of networks: trained, scored and exported alike, whatever the net. Needs the extra ``deep``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import onnx
import torch
from scipy.special import expit

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.families.networks.amounts import AmountScale
from scoreline_trainers.families.networks.gradients import Gradients, integrated_gradients
from scoreline_trainers.families.networks.modules.embedded import EmbeddedNet
from scoreline_trainers.families.networks.modules.net import Fed, Feed, Net
from scoreline_trainers.families.networks.network_training import (
    PREDICT_ROWS,
    Lesson,
    huber_loss,
    log_loss,
    refit_network,
    seeded,
    squared_loss,
    stopping_split,
    tensor_of,
    train_network,
    weights_of,
)
from scoreline_trainers.families.networks.options import NetworkConfig
from scoreline_trainers.families.networks.weights import WEIGHTS_FILE, Weights, packed, unpacked
from scoreline_trainers.family import Fitted, Start
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.progress import Progress


@dataclass(frozen=True, slots=True, eq=False)
class FittedNetwork(Fitted):
    """A trained net with the conversion of its inputs, and the epoch whose weights it has.

    Attributes:
        inputs: the contract.
        feed: makes the inputs of the net.
        net: in evaluation mode.
        epochs: passes over the rows that its weights come from.
        scale: of the amounts of a regression; None for a probability.
    """

    inputs: InputContract
    feed: Feed
    net: Net
    epochs: int
    scale: AmountScale | None = None

    def predict(self, batch: Batch) -> Float64:
        """float64 [N], of margins that torch computes in float32."""
        margins = np.concatenate([margins_of(self.net, self.feed.tensors(part)) for part in _parts(batch)])
        return probability(margins) if self.scale is None else self.scale.amounts(margins)

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """The further outputs of the net."""
        with torch.no_grad():
            parts = [self.net.eval().extras(self.feed.tensors(part)) for part in _parts(batch)]
        return {name: np.concatenate([part[name].numpy() for part in parts]).astype(np.float64) for name in parts[0]}

    def gradients(self, batch: Batch, reference: Batch, *, points: int = 64) -> Gradients:
        """Integrated gradients of the margin from the mean of the reference rows, and attention per step."""
        return integrated_gradients(self.net, self.feed, batch, reference, points=points)

    def to_onnx(self) -> onnx.ModelProto:
        """The feed, the net and a sigmoid, or the scale of the amounts, as one graph."""
        graph = GraphBuilder(self.inputs)
        emitted = self.net.eval().emit(self.feed.emit(graph))
        score = emitted.margin.apply("Sigmoid") if self.scale is None else self.scale.emit(emitted.margin)
        return graph.build(score.squeeze(1).name, extras=emitted.extras)

    def describe(self) -> Mapping[str, str | int | float]:
        """Epochs kept and size."""
        return {"epochs": self.epochs, "parameters": sum(parameter.numel() for parameter in self.net.parameters())}

    def files(self) -> Mapping[str, bytes]:
        """``weights.npz``, from which training can go on."""
        return {WEIGHTS_FILE: packed(Weights(self.feed, self.scale, self.net.state_dict()))}


NetworkConfigT = TypeVar("NetworkConfigT", bound=NetworkConfig)


class NetworkFamily(BuiltIn, Generic[NetworkConfigT]):
    """A family of one kind of net. Subclasses name it and build it.

    Attributes:
        net_type: makes an untrained net; a family whose nets need more overrides ``build``.
        takes_history: whether it needs a sequence and may take features too; else it takes features alone.
        takes_neighbors: whether it needs neighbors beside them; else it takes none.
    """

    config_type: type[NetworkConfigT]
    libraries: Sequence[str] = ("torch",)
    net_type: Callable[[Feed, NetworkConfigT], Net]
    takes_history = True
    takes_neighbors = False

    def build(self, feed: Feed, inputs: InputContract, config: NetworkConfigT) -> Net:
        """An untrained net; torch's seed is set."""
        del inputs
        return type(self).net_type(feed, config)

    def fit(self, data: Dataset, config: NetworkConfigT, *, seed: int, progress: Progress) -> FittedNetwork:
        """Trains with Adam until the loss on held-out training rows stops falling, and keeps the best epoch."""
        self._check_parts(data)
        feed = Feed.fit(data, scaling=config.scaling, embedding=config.embedding)
        scale = None if data.amount is None else AmountScale.fit(data.amount, data.weight)
        return self._fit(data, Weights(feed, scale, {}), config, seed=seed, progress=progress)

    def fit_from(
        self, start: Start, data: Dataset, config: NetworkConfigT, *, seed: int, progress: Progress
    ) -> FittedNetwork:
        """Continues from the weights of a version, with its scales of numbers; see ``WarmFamily``."""
        self._check_parts(data)
        if WEIGHTS_FILE not in start.files:
            raise FitError(self.name, f"continues from {WEIGHTS_FILE}, which {start.name} lacks: train it again")
        try:
            weights = unpacked(start.files[WEIGHTS_FILE])
        except ValueError as error:
            raise FitError(self.name, f"cannot continue from {start.name}: {error}") from error
        if (weights.scale is None) != (data.amount is None):
            raise FitError(self.name, f"cannot continue from {start.name}, which learned another task")
        return self._fit(data, weights, config, seed=seed, progress=progress)

    def _fit(
        self, data: Dataset, weights: Weights, config: NetworkConfigT, *, seed: int, progress: Progress
    ) -> FittedNetwork:
        """Trains from the weights; where they are of no net, from fresh ones."""
        lesson = _lesson(data, weights, config)
        split = stopping_split(data, config, seed=seed)

        def started() -> Net:
            net = self._net(weights, data.inputs, config)
            if not weights.state:
                net.prepare(lesson.fed, seed=seed)
            return net

        with seeded(seed, threads=config.threads):
            net = started()
            epochs = train_network(
                net, lesson, split=split, config=config, seed=seed, progress=progress, schedule=config.schedule
            )
        if config.refit and epochs:
            with seeded(seed, threads=config.threads):
                net = started()
                refit_network(
                    net, lesson, epochs=epochs, config=config, seed=seed, progress=progress, schedule=config.schedule
                )
        return FittedNetwork(data.inputs, weights.feed, net, epochs, weights.scale)

    def _net(self, weights: Weights, inputs: InputContract, config: NetworkConfigT) -> Net:
        """A net with the weights, or with fresh ones. Raises FitError where they do not fit."""
        feed = weights.feed
        net = self.build(feed, inputs, config)
        if feed.embedded:
            net = EmbeddedNet(net, feed.sizes, feed.widths)
        if weights.state:
            try:
                net.load_state_dict(weights.state)
            except RuntimeError as error:
                problem = "cannot continue from weights of other sizes: give the options that they were trained with"
                raise FitError(self.name, problem) from error
        return net

    def _check_parts(self, data: Dataset) -> None:
        if self.takes_history and data.sequence is None:
            raise FitError(self.name, "learns from histories: give the recipe a 'sequence'")
        if not self.takes_history and (data.features is None or data.sequence is not None):
            raise FitError(self.name, "learns from features and takes no sequence")
        mask = data.batch.neighbor_mask
        if not self.takes_neighbors and mask is not None:
            raise FitError(self.name, "learns from a unit alone and takes no neighbors")
        if self.takes_neighbors and (mask is None or not mask.any()):
            raise FitError(self.name, "learns from neighbors: give the recipe 'neighbors', and some rows at least one")


def margins_of(net: Net, fed: Fed) -> Float64:
    """float64 [N]: log odds, or standardised amounts."""
    with torch.no_grad():
        margin: Float64 = net.eval().margin(fed).double().numpy()
        return margin


def probabilities(net: Net, fed: Fed) -> Float64:
    """float64 [N]."""
    return probability(margins_of(net, fed))


def probability(margins: Float64) -> Float64:
    """float64 [N], of log odds."""
    score: Float64 = expit(margins)
    return score


def _lesson(data: Dataset, weights: Weights, config: NetworkConfig) -> Lesson:
    fed, weight, scale = weights.feed.tensors(data.batch), weights_of(data), weights.scale
    if scale is None:
        return Lesson(fed, tensor_of(data.target), weight, log_loss)
    loss = huber_loss if config.loss == "huber" else squared_loss
    return Lesson(fed, tensor_of(scale.standardised(data.target)), weight, loss)


def _parts(batch: Batch) -> list[Batch]:
    return [batch.take(slice(start, start + PREDICT_ROWS)) for start in range(0, len(batch), PREDICT_ROWS)]
