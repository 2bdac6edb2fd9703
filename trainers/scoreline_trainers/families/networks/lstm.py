"""A recurrent network over histories, with a dense head that may take features too. Needs the extra ``deep``."""

import torch
from pydantic import Field

from scoreline_trainers.families.networks.modules.layers import Head, Recurrent
from scoreline_trainers.families.networks.modules.net import Emitted, Fed, Feed, Net, Symbols
from scoreline_trainers.families.networks.modules.widths import Widths
from scoreline_trainers.families.networks.network import NetworkFamily
from scoreline_trainers.families.networks.options import NetworkConfig


class LSTMConfig(NetworkConfig):
    """Options of the family; those of all networks are in ``NetworkConfig``.

    Attributes:
        hidden: width of each recurrent layer, first to last.
        head: width of the dense layer after them.
    """

    hidden: Widths = (64, 32)
    head: int = Field(default=32, ge=1)


class LSTMNet(Net):
    """LSTM layers, then the head on the state after the last step."""

    def __init__(self, feed: Feed, config: LSTMConfig) -> None:
        super().__init__()
        self.recurrent = Recurrent(feed.step_width, config.hidden)
        self.head = Head(config.hidden[-1], feed.feature_width, hidden=config.head, dropout=config.dropout)

    def margin(self, fed: Fed) -> torch.Tensor:
        """Log odds, float32 [N]."""
        margin: torch.Tensor = self.head(self.recurrent(fed.steps, fed.lengths), fed.features)
        return margin

    def emit(self, symbols: Symbols) -> Emitted:
        """``margin`` as graph nodes."""
        steps, _ = symbols.history
        return Emitted(self.head.emit(self.recurrent.emit(steps), symbols.features))


class LSTM(NetworkFamily[LSTMConfig]):
    """The model family ``lstm``."""

    name = "lstm"
    config_type = LSTMConfig
    net_type = LSTMNet
