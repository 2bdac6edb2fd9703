"""Dilated convolutions over histories, on several time scales. Needs the extra ``deep``."""

import torch
from pydantic import Field

from scoreline_trainers.families.networks.modules.layers import Convolutions, Head, emit_pooled, pooled
from scoreline_trainers.families.networks.modules.net import Emitted, Fed, Feed, Net, Symbols
from scoreline_trainers.families.networks.modules.widths import OddKernel, Width, Widths
from scoreline_trainers.families.networks.network import NetworkFamily
from scoreline_trainers.families.networks.options import NetworkConfig
from scoreline_trainers.graph.tensor import concat


class TCNConfig(NetworkConfig):
    """Options of the family; those of all networks are in ``NetworkConfig``.

    Attributes:
        channels: width of each scale's convolution.
        dilations: distance between the steps that a convolution covers, one per scale, fine to coarse.
        kernel: steps that a convolution covers; odd.
        head: width of the dense layer after them.
    """

    channels: Width = 32
    dilations: Widths = (1, 2, 4, 8)
    kernel: OddKernel = 3
    head: int = Field(default=32, ge=1)


class TCNNet(Net):
    """Each scale refines the one before; mean and maximum over the real steps of every scale go to the head.

    Source: Bai, Kolter and Koltun, An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence
    Modeling (2018), section 3, with convolutions that see both ways, for a history is complete.
    """

    def __init__(self, feed: Feed, config: TCNConfig) -> None:
        super().__init__()
        widths = (config.channels,) * len(config.dilations)
        self.scales = Convolutions(feed.step_width, widths, kernel=config.kernel, dilations=config.dilations)
        state = 2 * sum(widths)
        self.head = Head(state, feed.feature_width, hidden=config.head, dropout=config.dropout)

    def margin(self, fed: Fed) -> torch.Tensor:
        """Log odds, float32 [N]."""
        scales = self.scales(fed.steps, fed.real)
        state = torch.cat([pooled(scale, fed.lengths) for scale in scales], dim=1)
        margin: torch.Tensor = self.head(state, fed.features)
        return margin

    def emit(self, symbols: Symbols) -> Emitted:
        """``margin`` as graph nodes."""
        state = concat([emit_pooled(scale) for scale in self.scales.emit(*symbols.history)])
        return Emitted(self.head.emit(state, symbols.features))


class TCN(NetworkFamily[TCNConfig]):
    """The model family ``tcn``."""

    name = "tcn"
    config_type = TCNConfig
    net_type = TCNNet
