"""A dense network over features. Needs the extra ``deep``."""

from itertools import pairwise
from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import nn

from scoreline_trainers.families.networks.modules.layers import dense
from scoreline_trainers.families.networks.modules.net import Emitted, Fed, Feed, Net, Symbols
from scoreline_trainers.families.networks.modules.widths import Widths
from scoreline_trainers.families.networks.network import NetworkFamily
from scoreline_trainers.families.networks.options import NetworkConfig, Schedule
from scoreline_trainers.graph.layers import emit_dense
from scoreline_trainers.spaces import Choices, Space


class MLPConfig(NetworkConfig):
    """Options of the family; those of all networks are in ``NetworkConfig``.

    Attributes:
        hidden: width of each layer, first to last.
    """

    hidden: Widths = (128, 64, 32)
    dropout: float = Field(default=0.25, ge=0, lt=1)
    epochs: int = Field(default=30, ge=1)
    patience: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=0.004, gt=0)
    schedule: Schedule = "cosine"
    weight_decay: float = Field(default=0.05, ge=0)
    refit: bool = True

    space: ClassVar[Space] = {
        **NetworkConfig.space,
        "hidden": Choices(choices=((64, 32), (128, 64, 32), (256, 128, 64))),
    }


class MLPNet(Net):
    """Dense layers, each with batch norm, ReLU and dropout."""

    def __init__(self, feed: Feed, config: MLPConfig) -> None:
        super().__init__()
        sizes = (feed.feature_width, *config.hidden)
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) for size in config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.last = nn.Linear(config.hidden[-1], 1)

    def margin(self, fed: Fed) -> torch.Tensor:
        """Log odds, float32 [N]."""
        values = fed.features
        for layer, norm in zip(self.layers, self.norms, strict=True):
            values = self.dropout(torch.relu(norm(layer(values))))
        return torch.squeeze(self.last(values), 1)

    def emit(self, symbols: Symbols) -> Emitted:
        """Graph nodes of ``margin``, each batch norm folded into the layer before it."""
        pairs = zip(self.layers, self.norms, strict=True)
        layers = [dense(cast("nn.Linear", layer), cast("nn.BatchNorm1d", norm)) for layer, norm in pairs]
        return Emitted(emit_dense(symbols.table, [*layers, dense(self.last)]))


class MLP(NetworkFamily[MLPConfig]):
    """The model family ``mlp``."""

    name = "mlp"
    config_type = MLPConfig
    net_type = MLPNet
    takes_history = False
