"""Families of networks: trained, scored and exported alike, whatever the net. Needs the extra ``deep``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import onnx
import torch

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.families.networks.net import Fed, Feed, Net, NetworkConfig
from scoreline_trainers.families.networks.network_training import PREDICT_ROWS, seeded, stopping_split, train_network
from scoreline_trainers.family import Fitted
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.progress import Progress


@dataclass(frozen=True, slots=True, eq=False)
class FittedNetwork(Fitted):
    """A trained net with the conversion of its inputs, and the epoch whose weights it has."""

    inputs: InputContract
    feed: Feed
    net: Net
    epochs: int

    def predict(self, batch: Batch) -> Float64:
        """float64 [N], of log odds that torch computes in float32."""
        return np.concatenate([probabilities(self.net, self.feed.tensors(part)) for part in _parts(batch)])

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """The further outputs of the net."""
        with torch.no_grad():
            parts = [self.net.eval().extras(self.feed.tensors(part)) for part in _parts(batch)]
        return {name: np.concatenate([part[name].numpy() for part in parts]).astype(np.float64) for name in parts[0]}

    def to_onnx(self) -> onnx.ModelProto:
        """The feed, the net and a sigmoid as one graph."""
        graph = GraphBuilder(self.inputs)
        emitted = self.net.eval().emit(self.feed.emit(graph))
        return graph.build(emitted.margin.apply("Sigmoid").squeeze(1).name, extras=emitted.extras)

    def describe(self) -> Mapping[str, str | int | float]:
        """Epochs kept and size."""
        return {"epochs": self.epochs, "parameters": sum(parameter.numel() for parameter in self.net.parameters())}


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
        """Trains with Adam until the log loss on held-out training rows stops falling, and keeps the best epoch."""
        self._check_parts(data)
        feed = Feed.fit(data, scaling=config.scaling)
        with seeded(seed, threads=config.threads):
            net = self.build(feed, data.inputs, config)
            fed, target = feed.tensors(data.batch), torch.from_numpy(data.target.astype(np.float32))
            net.prepare(fed, seed=seed)
            split = stopping_split(data, config, seed=seed)
            epochs = train_network(net, fed, target, split=split, config=config, seed=seed, progress=progress)
        return FittedNetwork(data.inputs, feed, net, epochs)

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


def probabilities(net: Net, fed: Fed) -> Float64:
    """float64 [N]."""
    with torch.no_grad():
        score: Float64 = torch.sigmoid(net.eval().margin(fed).double()).numpy()
        return score


def _parts(batch: Batch) -> list[Batch]:
    return [batch.take(slice(start, start + PREDICT_ROWS)) for start in range(0, len(batch), PREDICT_ROWS)]
