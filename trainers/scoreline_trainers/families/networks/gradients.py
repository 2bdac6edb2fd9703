"""Integrated gradients: what each feature, and each value of each step, adds to a network's margin. Needs ``deep``.

Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks (ICML 2017), section 3. The path is straight in the
prepared inputs (scaled numbers, flags, one-hot columns, embeddings) from the mean of reference rows; the columns that
are made of one feature are summed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.families.networks.modules.embedded import EmbeddedNet
from scoreline_trainers.families.networks.modules.net import Fed, Feed, Net

# Rows times points that are scored at once.
_AT_ONCE = 8192


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """Attributions of N rows: with ``base`` they add up to the margin but for ``error``.

    Attributes:
        features: float32 [N, F], of each feature; F is 0 where the model takes none.
        sequence: float32 [N, T, S], of each step's values, 0 in the padding; None where the model takes no sequence.
        neighbors: float32 [N, K, G], 0 where there is none; None where the model takes no neighbors.
        base: float64 [N], the margin of the reference: mean features, mean steps in as many places as the row has.
        margin: float64 [N], log odds, or standardised amounts.
        attention: float32 [N, T] or [N, K], each step's or neighbor's share; None for a net without attention.
    """

    features: Float32
    sequence: Float32 | None
    neighbors: Float32 | None
    base: Float64
    margin: Float64
    attention: Float32 | None

    @property
    def error(self) -> Float64:
        """float64 [N]: how far base and attributions are from the margin, which is that of the integration."""
        parts = [self.features, *(part for part in (self.sequence, self.neighbors) if part is not None)]
        total = sum(part.astype(np.float64).reshape(len(part), -1).sum(axis=1) for part in parts)
        gap: Float64 = np.abs(self.base + total - self.margin)
        return gap


def integrated_gradients(net: Net, feed: Feed, batch: Batch, reference: Batch, *, points: int = 64) -> Gradients:
    """The attributions of a batch.

    Args:
        net: trained.
        feed: of the net.
        batch: N rows.
        reference: rows whose mean is where the paths start.
        points: of Gauss-Legendre's rule along each path.
    """
    net = net.eval()
    mean = _means(_joined(net, feed.tensors(reference)))
    inner = net.net if isinstance(net, EmbeddedNet) else net
    size = max(_AT_ONCE // points, 1)
    parts = [batch.take(slice(start, start + size)) for start in range(0, len(batch), size)]
    count = 0 if batch.features is None else batch.features.shape[1]
    found = [
        _attributed(inner, feed, _joined(net, feed.tensors(part)), mean, count=count, points=points) for part in parts
    ]
    return _concatenated(found)


@dataclass(frozen=True, slots=True)
class _Means:
    features: torch.Tensor
    steps: torch.Tensor
    neighbors: torch.Tensor | None


def _joined(net: Net, fed: Fed) -> Fed:
    """The prepared inputs with embeddings as features."""
    if not isinstance(net, EmbeddedNet):
        return fed
    with torch.no_grad():
        return net.joined(fed)


def _means(fed: Fed) -> _Means:
    neighbors = None
    if fed.neighbors is not None and fed.neighbor_mask is not None:
        there = fed.neighbors[fed.neighbor_mask]
        neighbors = there.mean(dim=0) if len(there) else fed.neighbors.new_zeros(fed.neighbors.shape[2])
    return _Means(fed.features.mean(dim=0), fed.steps[fed.real].mean(dim=0), neighbors)


def _attributed(net: Net, feed: Feed, fed: Fed, mean: _Means, *, count: int, points: int) -> Gradients:
    start = replace(
        fed,
        features=mean.features.expand_as(fed.features),
        steps=mean.steps.expand_as(fed.steps),
        neighbors=None if fed.neighbors is None or mean.neighbors is None else mean.neighbors.expand_as(fed.neighbors),
    )
    features, steps, neighbors = _integrals(net, fed, start, points)
    with torch.no_grad():
        base, margin = (net.margin(each).double().numpy() for each in (start, fed))
        attention = net.extras(fed).get("attention")
    return Gradients(
        _by_feature(features, feed, count),
        None if feed.steps is None else _by_value(steps * fed.real[:, :, None], feed.step_sources),
        None
        if neighbors is None or fed.neighbor_mask is None
        else _by_value(neighbors * fed.neighborhood[1][:, :, None], 2 * tuple(range(feed.neighbor_width // 2))),
        base,
        margin,
        None if attention is None else attention.numpy(),
    )


def _integrals(net: Net, fed: Fed, start: Fed, points: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Difference times mean gradient along the path, of features, steps and neighbors."""
    at, share = np.polynomial.legendre.leggauss(points)
    ends = [(start.features, fed.features), (start.steps, fed.steps)]
    if start.neighbors is not None and fed.neighbors is not None:
        ends.append((start.neighbors, fed.neighbors))
    totals = [torch.zeros_like(end, dtype=torch.float64) for _, end in ends]
    for place, weight in zip((at + 1) / 2, share / 2, strict=True):
        between = [(first + (last - first) * float(place)).requires_grad_() for first, last in ends]
        moved = replace(fed, features=between[0], steps=between[1], neighbors=between[2] if len(ends) > 2 else None)
        slopes = torch.autograd.grad(net.margin(moved).sum(), between, allow_unused=True)
        for total, slope in zip(totals, slopes, strict=True):
            if slope is not None:
                total.add_(slope.double(), alpha=float(weight))
    found = [total * (last - first) for total, (first, last) in zip(totals, ends, strict=True)]
    return found[0], found[1], found[2] if len(found) > 2 else None


def _by_feature(values: torch.Tensor, feed: Feed, count: int) -> Float32:
    """[N, D] -> [N, count]: the columns of each feature summed."""
    sources = [] if feed.design is None else list(feed.design.sources)
    sources += [column for column, width in zip(feed.embedded, feed.widths, strict=True) for _ in range(width)]
    summed = np.zeros((len(values), count))
    np.add.at(summed.T, sources, values.numpy().T)
    return summed.astype(np.float32)


def _by_value(values: torch.Tensor, sources: Sequence[int]) -> Float32:
    """[N, T, W] -> [N, T, S]: the columns of each value summed."""
    summed = np.zeros((*values.shape[:2], max(sources) + 1))
    for column, source in enumerate(sources):
        summed[..., source] += values[..., column].numpy()
    return summed.astype(np.float32)


def _concatenated(parts: Sequence[Gradients]) -> Gradients:
    def every(name: str) -> Float32 | None:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else np.concatenate(values)

    base, margin = (np.concatenate([getattr(part, name) for part in parts]) for name in ("base", "margin"))
    features = np.concatenate([part.features for part in parts])
    return Gradients(features, every("sequence"), every("neighbors"), base, margin, every("attention"))
