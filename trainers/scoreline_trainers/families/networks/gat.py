"""Graph attention over a unit's neighbors, for units without a history. Needs the extra ``deep``."""

from collections.abc import Mapping

import torch
from pydantic import Field

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_trainers.errors import FitError
from scoreline_trainers.families.networks.modules.graph_attention import Blend, Clusters, GraphAttention, design_columns
from scoreline_trainers.families.networks.modules.layers import Head
from scoreline_trainers.families.networks.modules.net import Emitted, Fed, Feed, Net, Symbols
from scoreline_trainers.families.networks.modules.widths import Width
from scoreline_trainers.families.networks.network import NetworkFamily
from scoreline_trainers.families.networks.options import Embedding, NetworkConfig
from scoreline_trainers.graph.builder import Extra
from scoreline_trainers.graph.preprocessing import Design

ATTENTION = "attention"
GRAPH_WEIGHT = "graph_weight"


class GATConfig(NetworkConfig):
    """Options of the family; those of all networks are in ``NetworkConfig``.

    Attributes:
        heads: attention heads over a unit's neighbors.
        size: width of an attention head.
        head: width of the dense layer after them.
        clusters: number of soft clusters of similar units.
        demographics: names of the features that clusters are made by; all if empty.
        hidden_neighbors: while training, each unit's neighbors are left out with a chance of up to this, so that units
            with few or none are learned from too.
    """

    heads: int = Field(default=4, ge=1)
    size: Width = 8
    head: Width = 32
    clusters: int = Field(default=8, ge=1)
    demographics: tuple[str, ...] = ()
    embedding: Embedding = "none"
    hidden_neighbors: float = Field(default=0.5, ge=0, le=1)


class GATNet(Net):
    """Attention and a dense head, blended with clusters that weigh more the fewer neighbors a unit has.

    Extras: ``attention`` [N, K], each neighbor's share in what is seen, the mean over heads (the rest is the unit's
    own), and ``graph_weight`` [N], what the neighborhood's log odds count beside the clusters'.
    """

    def __init__(self, feed: Feed, config: GATConfig, columns: list[int]) -> None:
        super().__init__()
        self.hidden = config.hidden_neighbors
        self.attention = GraphAttention(feed.feature_width, feed.neighbor_width, heads=config.heads, size=config.size)
        self.head = Head(config.heads * config.size, feed.feature_width, hidden=config.head, dropout=config.dropout)
        self.clusters, self.blend = Clusters(columns, config.clusters), Blend()

    def prepare(self, fed: Fed, *, seed: int) -> None:
        """Finds the clusters."""
        self.clusters.prepare(fed.features, seed=seed)

    def margin(self, fed: Fed) -> torch.Tensor:
        """Log odds, float32 [N]."""
        neighbors, mask = fed.neighborhood
        if self.training:
            keep = torch.rand(mask.shape) >= self.hidden * torch.rand(len(mask), 1)
            mask = mask & keep
        found, _ = self.attention(fed.features, neighbors, mask)
        weight = self.blend(mask)
        margin: torch.Tensor = weight * self.head(found, fed.features) + (1 - weight) * self.clusters(fed.features)
        return margin

    def extras(self, fed: Fed) -> Mapping[str, torch.Tensor]:
        """``attention`` and ``graph_weight``."""
        neighbors, mask = fed.neighborhood
        _, share = self.attention(fed.features, neighbors, mask)
        return {ATTENTION: share[:, 1:].mean(dim=2), GRAPH_WEIGHT: self.blend(mask)}

    def emit(self, symbols: Symbols) -> Emitted:
        """``margin`` and ``extras`` as graph nodes."""
        features, (neighbors, mask) = symbols.table, symbols.neighborhood
        found, share = self.attention.emit(features, neighbors, mask)
        weight = self.blend.emit(mask)
        margin = weight * self.head.emit(found, features) + (1 - weight) * self.clusters.emit(features)
        extras = {ATTENTION: Extra(share.slice(1, axis=1).mean(2).name, ("K",))}
        return Emitted(margin, {**extras, GRAPH_WEIGHT: Extra(weight.squeeze(1).name)})


class GAT(NetworkFamily[GATConfig]):
    """The model family ``gat``."""

    name = "gat"
    config_type = GATConfig
    takes_history = False
    takes_neighbors = True

    def build(self, feed: Feed, inputs: InputContract, config: GATConfig) -> Net:
        """An untrained net. Raises FitError where ``demographics`` names something that is no feature."""
        return GATNet(feed, config, _demographics(feed.design, inputs.features, config))


def _demographics(design: Design | None, features: tuple[Feature, ...], config: GATConfig) -> list[int]:
    unknown = set(config.demographics) - {feature.name for feature in features}
    if unknown or design is None:
        raise FitError(GAT.name, f"has no features {', '.join(sorted(unknown))}, which 'demographics' names")
    return design_columns(design, features, config.demographics)
