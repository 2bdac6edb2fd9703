"""The loop that trains every net: Adam, batches of similar length, early stopping, the best epoch kept."""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from scoreline_trainers.data.batch import Float64, Int64, RowIndices
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import hold_out
from scoreline_trainers.families.networks.modules.net import Fed, Learner
from scoreline_trainers.families.networks.options import DescentConfig, Schedule
from scoreline_trainers.progress import Progress

# Log odds [N], target [N] and weight [N] or None -> a scalar.
Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]

# How many rows are scored at once.
PREDICT_ROWS = 2048

_BATCHES_PER_POOL = 16
# What is left of the step size at the end of a falling schedule.
_LAST_SHARE = 1e-3


def log_loss(margin: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """The mean log loss of log odds; with weights the mean of weight times loss."""
    return nn.functional.binary_cross_entropy_with_logits(margin, target, weight)


def squared_loss(margin: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Half the mean squared error; with weights the mean of weight times it."""
    return _mean((margin - target) ** 2 / 2, weight)


def huber_loss(margin: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Half the squared error up to an error of 1, and linear above, as ``squared_loss`` otherwise."""
    return _mean(nn.functional.huber_loss(margin, target, reduction="none"), weight)


def _mean(losses: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    return (losses if weight is None else losses * weight).mean()


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """The rows that a net learns from.

    Attributes:
        fed: N rows.
        target: float32 [N].
        weight: float32 [N] with mean 1; None where all rows count alike.
        loss: what is made small, on batches and on the rows that decide when to stop.
    """

    fed: Fed
    target: torch.Tensor
    weight: torch.Tensor | None = None
    loss: Loss = log_loss

    def loss_of(self, net: Learner, rows: RowIndices) -> torch.Tensor:
        """The loss of some rows, a scalar."""
        weight = None if self.weight is None else self.weight[rows]
        return self.loss(net.margin(self.fed.take(rows)), self.target[rows], weight)


def train_network(
    net: Learner,
    lesson: Lesson,
    *,
    split: tuple[RowIndices, RowIndices],
    config: DescentConfig,
    seed: int,
    progress: Progress,
    schedule: Schedule = "constant",
) -> int:
    """Trains in place and returns the epoch whose weights were kept, from 1.

    Args:
        net: with fresh weights, or with those to continue from.
        lesson: all training rows.
        split: the rows to learn from, and those that decide when to stop, see ``stopping_split``.
        config: when to stop, and how to step.
        seed: of the batches; what torch draws has its own, see ``seeded``.
        progress: shows the loss of each epoch on the rows that decide.
        schedule: how the step size changes.
    """
    train, validation = split
    epoch = _epochs(net, lesson, train, config=config, schedule=schedule, seed=seed)
    progress.begin("train network", total=config.epochs)
    return early_stopped(net, epoch, lambda: mean_loss(net, lesson, validation), config=config, progress=progress)


def refit_network(
    net: Learner,
    lesson: Lesson,
    *,
    epochs: int,
    config: DescentConfig,
    seed: int,
    progress: Progress,
    schedule: Schedule = "constant",
) -> None:
    """Trains a fresh net in place on all rows, for as many epochs as ``train_network`` kept."""
    epoch = _epochs(net, lesson, np.arange(len(lesson.fed)), config=config, schedule=schedule, seed=seed)
    progress.begin("train network on all rows", total=epochs)
    for _ in range(epochs):
        net.train()
        epoch()
        progress.advance("")
    net.eval()


def _epochs(
    net: Learner, lesson: Lesson, rows: RowIndices, *, config: DescentConfig, schedule: Schedule, seed: int
) -> Callable[[], None]:
    """A function that trains for one epoch on the given rows each time that it is called."""
    draw = np.random.default_rng(seed)
    lengths: Int64 = lesson.fed.lengths.numpy()
    steps = config.epochs * sum(1 for _ in minibatches(rows, lengths, size=config.batch_size, draw=draw))
    draw = np.random.default_rng(seed)
    falls = schedule == "cosine"
    adam = torch.optim.AdamW if falls else torch.optim.Adam
    optimizer = adam(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _cosine(step / steps) if falls else 1.0)

    def epoch() -> None:
        for batch in minibatches(rows, lengths, size=config.batch_size, draw=draw):
            optimizer.zero_grad()
            lesson.loss_of(net, batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rate.step()

    return epoch


def _cosine(passed: float) -> float:
    return _LAST_SHARE + (1 - _LAST_SHARE) * (1 + math.cos(math.pi * min(passed, 1.0))) / 2


def stopping_split(data: Dataset, config: DescentConfig, *, seed: int) -> tuple[RowIndices, RowIndices]:
    """The rows to learn from, and whole units of rows that decide when to stop."""
    return hold_out(len(data), fraction=config.stopping_fraction, seed=seed, unit=data.unit)


def early_stopped(
    net: nn.Module,
    epoch: Callable[[], None],
    validation_loss: Callable[[], float],
    *,
    config: DescentConfig,
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
        progress.advance(f"loss {found:.5f}")
        if found < best:
            best, kept, kept_epoch = found, copy.deepcopy(net.state_dict()), number
        if number - kept_epoch >= config.patience:
            break
    net.load_state_dict(kept)
    return kept_epoch


def mean_loss(net: Learner, lesson: Lesson, rows: RowIndices) -> float:
    """The mean loss in evaluation mode."""
    net.eval()
    parts = np.array_split(rows, -(-len(rows) // PREDICT_ROWS))
    with torch.no_grad():
        return sum(float(lesson.loss_of(net, part)) * len(part) for part in parts) / len(rows)


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


def tensor_of(values: Float64) -> torch.Tensor:
    """float32."""
    return torch.from_numpy(values.astype(np.float32))


def weights_of(data: Dataset) -> torch.Tensor | None:
    """The rows' weights, scaled to a mean of 1; None where all count alike."""
    return None if data.weight is None else tensor_of(data.weight / data.weight.mean())


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
