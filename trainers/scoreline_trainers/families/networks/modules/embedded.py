"""A network in front of which categories of many names are embedded. Needs the extra ``deep``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import nn

from scoreline_trainers.families.networks.modules.layers import array
from scoreline_trainers.families.networks.modules.net import Emitted, Fed, Net, Symbols
from scoreline_trainers.graph.tensor import constant

# Share of the names that training shows as "other", so that its embedding is that of a name in general.
_SHOWN_AS_OTHER = 0.02
# Standard deviation of the fresh embeddings, small beside numbers of deviation 1.
_SPREAD = 0.1


class EmbeddedNet(Net):
    """A net that takes the embeddings of C categories as further features.

    Args:
        net: takes the design matrix and, behind it, the embeddings.
        sizes: vocabulary length of each category; its table has a row for each name, "other" and "missing".
        widths: of the embeddings.
    """

    def __init__(self, net: Net, sizes: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.net, self.others = net, torch.tensor(list(sizes))
        self.tables = nn.ModuleList(nn.Embedding(size + 2, w) for size, w in zip(sizes, widths, strict=True))
        for table in self.tables:
            nn.init.normal_(cast("nn.Embedding", table).weight, std=_SPREAD)

    def margin(self, fed: Fed) -> torch.Tensor:
        """Log odds, float32 [N]."""
        return self.net.margin(self.joined(fed))

    def prepare(self, fed: Fed, *, seed: int) -> None:
        """Prepares the net."""
        with torch.no_grad():
            self.net.prepare(self.joined(fed), seed=seed)

    def extras(self, fed: Fed) -> Mapping[str, torch.Tensor]:
        """Those of the net."""
        return self.net.extras(self.joined(fed))

    def emit(self, symbols: Symbols) -> Emitted:
        """Graph nodes of ``margin`` and ``extras``."""
        parts = [] if symbols.features is None else [symbols.features]
        for place, table in enumerate(self.tables):
            rows = symbols.slots.gather(place, axis=1)
            weights = array(cast("nn.Embedding", table).weight)
            parts.append(constant(rows.graph, weights, np.float32).gather(rows))
        return self.net.emit(replace(symbols, features=parts[0].concat(*parts[1:])))

    def joined(self, fed: Fed) -> Fed:
        """The inputs of the net, without slots."""
        slots = fed.slots
        if self.training:
            slots = torch.where(torch.rand(slots.shape) < _SHOWN_AS_OTHER, self.others, slots)
        parts = [table(slots[:, place]) for place, table in enumerate(self.tables)]
        return replace(fed, features=torch.cat([fed.features, *parts], dim=1), codes=None)
