"""Graph attention and soft clusters as modules of torch that also emit themselves as ONNX nodes."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import nn

from scoreline_registry.documents.contract import Feature
from scoreline_trainers.families.networks.modules.layers import array, dense
from scoreline_trainers.graph.layers import emit_linear, emit_softmax
from scoreline_trainers.graph.preprocessing import Design
from scoreline_trainers.graph.tensor import Tensor, constant

_SLOPE = 0.2


class GraphAttention(nn.Module):
    """Multi-head attention of a unit over itself and its neighbors.

    Source: Velickovic and others, Graph Attention Networks (2018), equations 1 to 5. A neighbor has features of its
    own, so it has its own W; the unit is always among those it looks at, so a unit without neighbors sees itself.
    """

    def __init__(self, own: int, other: int, *, heads: int, size: int) -> None:
        super().__init__()
        self.heads, self.size = heads, size
        self.own, self.other = nn.Linear(own, heads * size), nn.Linear(other, heads * size)
        self.asks, self.answers = nn.Parameter(torch.empty(heads, size)), nn.Parameter(torch.empty(heads, size))
        for parameter in (self.asks, self.answers):
            nn.init.xavier_uniform_(parameter)

    def forward(
        self, features: torch.Tensor, neighbors: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """[N, D], [N, K, 2G], [N, K] -> state [N, heads * size] and attention weights [N, 1 + K, heads]."""
        own = self.own(features)[:, None]
        nodes = torch.cat([own, self.other(neighbors)], dim=1)
        alike = own @ self._by_head(self.asks) + nodes @ self._by_head(self.answers)
        seen = nn.functional.pad(mask, (1, 0), value=True)
        weight = nn.functional.leaky_relu(alike, _SLOPE).masked_fill(~seen[:, :, None], -math.inf)
        share = torch.softmax(weight, dim=1)
        rows, places, _ = nodes.shape
        mixed = (share[..., None] * nodes.reshape(rows, places, self.heads, self.size)).sum(dim=1)
        return nn.functional.elu(mixed.reshape(rows, self.heads * self.size)), share

    def emit(self, features: Tensor, neighbors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``forward`` as graph nodes."""
        own = emit_linear(features, dense(self.own)).unsqueeze(1)
        nodes = own.concat(emit_linear(neighbors, dense(self.other)))
        alike = own @ array(self._by_head(self.asks)) + nodes @ array(self._by_head(self.answers))
        seen = mask.apply("Pad", constant(mask.graph, [0, 1, 0, 0], np.int64), np.ones(()))
        share = emit_softmax(alike.apply("LeakyRelu", alpha=_SLOPE), seen.unsqueeze(2), axis=1)
        mixed = (share.unsqueeze(3) * nodes.reshape(0, 0, self.heads, self.size)).sum(1)
        return mixed.reshape(0, self.heads * self.size).apply("Elu"), share

    def _by_head(self, vectors: torch.Tensor) -> torch.Tensor:
        """[heads, size] -> [heads * size, heads]: the product with each head's own part."""
        own_part = torch.eye(self.heads)[:, None, :]
        return (vectors[:, :, None] * own_part).reshape(self.heads * self.size, self.heads)


class Clusters(nn.Module):
    """Log odds by soft clusters of units with similar features, for units without neighbors.

    Centres are those of k-means; a unit belongs to each by exp(-d^2 / spread), d its distance and spread the mean d^2
    of training rows to their nearest centre.
    """

    centres: torch.Tensor
    spread: torch.Tensor

    def __init__(self, columns: Sequence[int], count: int) -> None:
        super().__init__()
        self.columns = list(columns)
        self.register_buffer("centres", torch.zeros(count, len(columns)))
        self.register_buffer("spread", torch.ones(()))
        self.odds = nn.Linear(count, 1)

    def prepare(self, features: torch.Tensor, *, seed: int) -> None:
        """Finds the centres among training rows [N, D]."""
        points = features[:, self.columns].numpy()
        found = KMeans(min(len(self.centres), len(points)), n_init=4, random_state=seed).fit(points)
        self.centres[:] = torch.from_numpy(np.resize(found.cluster_centers_, self.centres.shape))
        self.spread.fill_(max(float(found.inertia_) / len(points), 1e-6))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """[N, D] -> log odds [N]."""
        distance = ((features[:, None, self.columns] - self.centres) ** 2).sum(dim=2)
        return torch.squeeze(self.odds(torch.softmax(-distance / self.spread, dim=1)), 1)

    def emit(self, features: Tensor) -> Tensor:
        """``forward`` as graph nodes, [N, 1]."""
        apart = features.columns(self.columns).unsqueeze(1) - array(self.centres)
        near = (apart * apart).sum(2) / -array(self.spread)
        return emit_linear(near.softmax(1), dense(self.odds))


class Blend(nn.Module):
    """Weight of the attention's log odds against the clusters': sigmoid(a + b ln(1 + number of neighbors))."""

    def __init__(self) -> None:
        super().__init__()
        self.start, self.rise = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(0.5))

    def forward(self, mask: torch.Tensor) -> torch.Tensor:
        """[N, K] -> [N], 0 to 1."""
        return torch.sigmoid(self.start + self.rise * torch.log1p(mask.sum(dim=1)))

    def emit(self, mask: Tensor) -> Tensor:
        """``forward`` as graph nodes, [N, 1]."""
        count = mask.cast(np.float32).sum(1, keepdims=True)
        return ((count + 1).apply("Log") * array(self.rise) + array(self.start)).apply("Sigmoid")


def design_columns(design: Design, features: Sequence[Feature], names: Sequence[str]) -> list[int]:
    """The columns of a design matrix that come from the features of these names; of all where there are no names."""
    return [column for column, source in enumerate(design.sources) if not names or features[source].name in names]
