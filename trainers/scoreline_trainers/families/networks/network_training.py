"""The loop that trains every net: Adam, batches of similar length, early stopping, the best epoch kept."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from scoreline_trainers.data.batch import Int64, RowIndices
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import hold_out
from scoreline_trainers.families.networks.net import Fed, Learner, NetworkConfig
from scoreline_trainers.progress import Progress

# Log odds [N] and target [N] -> a scalar.
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

log_loss: Loss = nn.functional.binary_cross_entropy_with_logits

# How many rows are scored at once.
PREDICT_ROWS = 2048

_BATCHES_PER_POOL = 16


def train_network(
    net: Learner,
    fed: Fed,
    target: torch.Tensor,
    *,
    split: tuple[RowIndices, RowIndices],
    config: NetworkConfig,
    seed: int,
    progress: Progress,
    loss: Loss = log_loss,
) -> int:
    """Trains in place and returns the epoch whose weights were kept, from 1.

    Args:
        net: with fresh weights, or with those to go on from.
        fed: all training rows.
        target: float32 [N], 0 or 1.
        split: the rows to learn from, and those that decide when to stop, see ``stopping_split``.
        config: when to stop, and how to step.
        seed: of the batches; what torch draws has its own, see ``seeded``.
        progress: shows the validation loss of each epoch.
        loss: what is made small, on batches and on the validation rows.
    """
    train, validation = split
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    draw = np.random.default_rng(seed)
    lengths: Int64 = fed.lengths.numpy()

    def epoch() -> None:
        for rows in minibatches(train, lengths, size=config.batch_size, draw=draw):
            optimizer.zero_grad()
            loss(net.margin(fed.take(rows)), target[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    def validation_loss() -> float:
        return mean_loss(net, fed, target, validation, loss=loss)

    progress.begin("train network", total=config.epochs)
    return early_stopped(net, epoch, validation_loss, config=config, progress=progress)


def stopping_split(data: Dataset, config: NetworkConfig, *, seed: int) -> tuple[RowIndices, RowIndices]:
    """The rows to learn from, and whole units of rows that decide when to stop."""
    return hold_out(len(data), fraction=config.stopping_fraction, seed=seed, unit=data.unit)


def early_stopped(
    net: nn.Module,
    epoch: Callable[[], None],
    validation_loss: Callable[[], float],
    *,
    config: NetworkConfig,
    progress: Progress,
) -> int:
    """Runs epochs until the validation loss has not fallen for ``patience`` of them, and restores the best weights.

    Returns the epoch whose weights were kept, from 1. ``net`` is in training mode in ``epoch``, in evaluation mode in
    ``validation_loss``.
    """
    best, kept, kept_epoch = np.inf, copy.deepcopy(net.state_dict()), 0
    for number in range(1, config.epochs + 1):
        net.train()
        epoch()
        net.eval()
        found = validation_loss()
        progress.advance(f"log loss {found:.5f}")
        if found < best:
            best, kept, kept_epoch = found, copy.deepcopy(net.state_dict()), number
        if number - kept_epoch >= config.patience:
            break
    net.load_state_dict(kept)
    return kept_epoch


def mean_loss(net: Learner, fed: Fed, target: torch.Tensor, rows: RowIndices, *, loss: Loss = log_loss) -> float:
    """The mean loss in evaluation mode."""
    net.eval()
    parts = np.array_split(rows, -(-len(rows) // PREDICT_ROWS))
    with torch.no_grad():
        return sum(float(loss(net.margin(fed.take(part)), target[part])) * len(part) for part in parts) / len(rows)


def minibatches(rows: RowIndices, lengths: Int64, *, size: int, draw: np.random.Generator) -> Iterator[RowIndices]:
    """Every row once, in random batches of similar length, so that little is spent on padding.

    Batches are of equal size, give or take one, and of ``size`` at most: no row is ever alone where there are two,
    which batch norm could not learn from.
    """
    shuffled = draw.permutation(rows)
    for pooled in np.array_split(shuffled, -(-len(rows) // (size * _BATCHES_PER_POOL))):
        by_length = pooled[np.argsort(lengths[pooled], kind="stable")]
        batches = np.array_split(by_length, -(-len(by_length) // size))
        for index in draw.permutation(len(batches)):
            yield batches[index]


@contextmanager
def seeded(seed: int, *, threads: int) -> Iterator[None]:
    """Seeds torch and sets its number of threads inside the block, and restores both."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
