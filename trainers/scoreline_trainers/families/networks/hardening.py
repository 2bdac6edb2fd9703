"""A network that learns against a generator of perturbed rows. Needs the extra ``deep``.

Three nets are trained at once, after Xiao and others, Generating Adversarial Examples with Adversarial Networks (IJCAI
2018): the generator moves numbers of a row so that the model errs, a discriminator tells moved rows from real ones, so
that the generator keeps to plausible rows, and the model learns to score both alike and to undo the move.
"""

from itertools import pairwise

import numpy as np
import torch
from pydantic import Field
from torch import nn

from scoreline_trainers.data.batch import RowIndices
from scoreline_trainers.families.networks.modules.widths import Width, Widths
from scoreline_trainers.families.networks.network_training import early_stopped, log_loss, minibatches
from scoreline_trainers.families.networks.options import DescentConfig
from scoreline_trainers.graph.scaling import ScalingMethod
from scoreline_trainers.progress import Progress


class HardeningConfig(DescentConfig):
    """Options of the training.

    Attributes:
        scaling: how numbers are brought to scale; an attacker's moves are bounded on that scale.
        hidden: width of each layer of the model behind the denoiser.
        denoiser: width of the denoiser's layer.
        generator: width of the generator's layer, and of the discriminator's.
        epsilon: largest move of a number by an attacker, in standard deviations.
        attack: weight of the log loss on perturbed rows; the one on unchanged rows has weight 1.
        denoise: weight of the denoiser's mean squared error.
        stealth: weight of the discriminator's loss in the generator's.
    """

    scaling: ScalingMethod = "standard"
    hidden: Widths = (64, 32)
    denoiser: Width = 64
    generator: Width = 32
    epsilon: float = Field(default=0.5, gt=0)
    attack: float = Field(default=1.0, ge=0)
    denoise: float = Field(default=1.0, ge=0)
    stealth: float = Field(default=0.2, ge=0)
    epochs: int = Field(default=30, ge=1)
    patience: int = Field(default=6, ge=1)


class Hardened(nn.Module):
    """A denoiser, which subtracts estimated perturbations of the numbers, and dense layers behind it.

    Args:
        width: of the design matrix, D.
        numbers: how many of its columns are numbers; they come first.
        config: sizes.
    """

    def __init__(self, width: int, numbers: int, config: HardeningConfig) -> None:
        super().__init__()
        self.numbers = numbers
        self.wide, self.narrow = nn.Linear(width, config.denoiser), nn.Linear(config.denoiser, numbers)
        sizes = (width, *config.hidden, 1)
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.dropout = nn.Dropout(config.dropout)

    def moves(self, rows: torch.Tensor) -> torch.Tensor:
        """[N, D] -> [N, numbers]: the estimated perturbation of each number."""
        moved: torch.Tensor = self.narrow(torch.relu(self.wide(rows)))
        return moved

    def denoised(self, rows: torch.Tensor) -> torch.Tensor:
        """[N, D] -> [N, D]: the rows less those perturbations."""
        return torch.cat([rows[:, : self.numbers] - self.moves(rows), rows[:, self.numbers :]], dim=1)

    def margin(self, rows: torch.Tensor) -> torch.Tensor:
        """[N, D] -> log odds [N]."""
        values = self.denoised(rows)
        for layer in self.layers[:-1]:
            values = self.dropout(torch.relu(layer(values)))
        return torch.squeeze(self.layers[-1](values), 1)


class Generator(nn.Module):
    """Perturbs the numbers of rows within ``bound`` [D], given the label and random noise."""

    def __init__(self, bound: torch.Tensor, config: HardeningConfig) -> None:
        super().__init__()
        self.bound = bound
        width = len(bound)
        self.wide, self.narrow = nn.Linear(2 * width + 1, config.generator), nn.Linear(config.generator, width)

    def forward(self, rows: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """[N, D], [N] -> [N, D]."""
        given = torch.cat([rows, target[:, None], torch.rand_like(rows) * 2 - 1], dim=1)
        move: torch.Tensor = torch.tanh(self.narrow(torch.relu(self.wide(given))))
        return rows + move * self.bound


class AdversarialTraining:
    """The three nets and their steps on one batch.

    Args:
        model: fresh.
        bound: float32 [D], how far an attacker can move each column.
        config: sizes and weights.
    """

    def __init__(self, model: Hardened, bound: torch.Tensor, config: HardeningConfig) -> None:
        self.model, self.bound, self.config = model, bound, config
        self.generator = Generator(bound, config)
        self.discriminator = nn.Sequential(
            nn.Linear(len(bound), config.generator), nn.ReLU(), nn.Linear(config.generator, 1), nn.Flatten(0)
        )
        trained = (model, self.generator, self.discriminator)
        rate, decay = config.learning_rate, config.weight_decay
        self._optimizers = [torch.optim.Adam(net.parameters(), lr=rate, weight_decay=decay) for net in trained]

    def step(self, rows: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None) -> None:
        """One step of each net: [N, D], [N] and the weights of the rows [N] or None."""
        model, generator, discriminator = self._optimizers
        _step(generator, self._generator_loss(rows, target))
        moved = self.generator(rows, target).detach()
        _step(discriminator, self._discriminator_loss(rows, moved))
        _step(model, self._model_loss(rows, moved, target, weight))

    def _generator_loss(self, rows: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        moved = self.generator(rows, target)
        deceives = log_loss(self.model.margin(moved), 1 - target)
        return deceives + self.config.stealth * log_loss(self.discriminator(moved), torch.ones_like(target))

    def _discriminator_loss(self, rows: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
        real = torch.ones(len(rows))
        return log_loss(self.discriminator(rows), real) + log_loss(self.discriminator(moved), 1 - real)

    def _model_loss(
        self, rows: torch.Tensor, moved: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None
    ) -> torch.Tensor:
        """Trained on generated, random and gradient perturbations: the generator does not find every kind."""
        drawn = rows + (torch.rand_like(rows) * 2 - 1).sign() * self.bound
        stepped = one_step_attack(self.model, rows, target, self.bound)
        perturbed = torch.cat([moved, drawn, stepped])
        undone = torch.mean((self.model.denoised(torch.cat([rows, perturbed])) - rows.repeat(4, 1)) ** 2)
        each = None if weight is None else weight.repeat(3)
        deceived = log_loss(self.model.margin(perturbed), target.repeat(3), each)
        usual = log_loss(self.model.margin(rows), target, weight)
        return usual + self.config.attack * deceived + self.config.denoise * undone


def harden(
    model: Hardened,
    rows: torch.Tensor,
    target: torch.Tensor,
    *,
    weight: torch.Tensor | None,
    bound: torch.Tensor,
    train: RowIndices,
    validation: RowIndices,
    config: HardeningConfig,
    seed: int,
    progress: Progress,
) -> int:
    """Trains ``model`` in place and returns the epoch whose weights were kept, from 1.

    Kept is what does best on held-out rows as they are and under ``one_step_attack``, which, unlike the generator, is
    of equal strength in every epoch.

    Args:
        model: with fresh weights.
        rows: float32 [N, D].
        target: float32 [N], 0 or 1.
        weight: float32 [N] with mean 1; None where all rows count alike.
        bound: float32 [D], how far an attacker can move each column.
        train: the rows to learn from.
        validation: the rows that decide when to stop.
        config: how.
        seed: of the batches; what torch draws has its own.
        progress: shows the validation loss of each epoch.
    """
    nets = AdversarialTraining(model, bound, config)
    draw = np.random.default_rng(seed)
    lengths = np.ones(len(rows), np.int64)

    def epoch() -> None:
        for batch in minibatches(train, lengths, size=config.batch_size, draw=draw):
            nets.step(rows[batch], target[batch], None if weight is None else weight[batch])

    def validation_loss() -> float:
        own = None if weight is None else weight[validation]
        return robust_loss(model, rows[validation], target[validation], bound, own)

    progress.begin("train against perturbed rows", total=config.epochs)
    return early_stopped(model, epoch, validation_loss, config=config, progress=progress)


def robust_loss(
    model: Hardened, rows: torch.Tensor, target: torch.Tensor, bound: torch.Tensor, weight: torch.Tensor | None = None
) -> float:
    """Mean log loss on rows as they are and as an attacker moves them."""
    attacked = one_step_attack(model, rows, target, bound)
    with torch.no_grad():
        losses = [float(log_loss(model.margin(each), target, weight)) for each in (rows, attacked)]
    return sum(losses) / 2


def one_step_attack(model: Hardened, rows: torch.Tensor, target: torch.Tensor, bound: torch.Tensor) -> torch.Tensor:
    """Fast gradient sign attack: every number moved by its bound in the direction that increases the loss.

    Source: Goodfellow and others, Explaining and Harnessing Adversarial Examples (2015), section 4.
    """
    moved = rows.clone().requires_grad_()
    (slope,) = torch.autograd.grad(log_loss(model.margin(moved), target), moved)
    return rows + slope.sign() * bound


def _step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
