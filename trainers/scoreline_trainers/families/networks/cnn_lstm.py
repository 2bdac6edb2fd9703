"""Convolutions for local patterns, then a recurrent network for long ones. Needs the extra ``deep``."""

import torch

from scoreline_trainers.families.networks.lstm import LSTMConfig
from scoreline_trainers.families.networks.modules.layers import Convolutions, Head, Recurrent
from scoreline_trainers.families.networks.modules.net import Emitted, Fed, Feed, Net, Symbols
from scoreline_trainers.families.networks.modules.widths import OddKernel, Widths
from scoreline_trainers.families.networks.network import NetworkFamily


class CNNLSTMConfig(LSTMConfig):
    """Options of the family beside those of ``lstm``.

    Attributes:
        channels: width of each convolution, first to last.
        kernel: steps that a convolution covers; odd.
    """

    channels: Widths = (32, 64)
    kernel: OddKernel = 3


class CNNLSTMNet(Net):
    """Convolutions over steps, padding made zero after each, then LSTM layers and the head."""

    def __init__(self, feed: Feed, config: CNNLSTMConfig) -> None:
        super().__init__()
        self.local = Convolutions(feed.step_width, config.channels, kernel=config.kernel)
        self.recurrent = Recurrent(config.channels[-1], config.hidden)
        self.head = Head(config.hidden[-1], feed.feature_width, hidden=config.head, dropout=config.dropout)

    def margin(self, fed: Fed) -> torch.Tensor:
        """Log odds, float32 [N]."""
        steps = self.local(fed.steps, fed.real)[-1].transpose(1, 2)
        margin: torch.Tensor = self.head(self.recurrent(steps, fed.lengths), fed.features)
        return margin

    def emit(self, symbols: Symbols) -> Emitted:
        """``margin`` as graph nodes."""
        channels = self.local.emit(*symbols.history)[-1]
        return Emitted(self.head.emit(self.recurrent.emit(channels.transpose(0, 2, 1)), symbols.features))


class CNNLSTM(NetworkFamily[CNNLSTMConfig]):
    """The model family ``cnn_lstm``."""

    name = "cnn_lstm"
    config_type = CNNLSTMConfig
    net_type = CNNLSTMNet
