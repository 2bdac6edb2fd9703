"""Model-agnostic meta-learning over segments. Needs the extra ``deep``.

Finn, Abbeel and Levine, Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks (ICML 2017). The inner steps
move the head alone, as Raghu and others found to be enough (Rapid Learning or Feature Reuse?, ICLR 2020). The outer
steps move body and initial head, through the inner ones unless first order is asked for. The initial head is the
fallback, so it is also learned to do without any steps.
"""

import math

import numpy as np
import torch
from pydantic import AliasChoices, Field
from torch import nn

from scoreline_trainers.errors import FitError
from scoreline_trainers.families.few_shot.episodes import Pool
from scoreline_trainers.families.few_shot.few_shot import Body, FewShotConfig, FewShotFamily, FittedHeads, Tasks
from scoreline_trainers.families.networks.network_training import early_stopped, log_loss
from scoreline_trainers.heads.rules import Descend
from scoreline_trainers.progress import Progress

# Episodes of the validation, the same after every epoch.
_VALIDATION_EPISODES = 200


class MAMLConfig(FewShotConfig):
    """Options of the family; see ``FewShotConfig`` too.

    Attributes:
        order: 2 differentiates through the inner steps, 1 ignores second derivatives.
        inner_steps: gradient descent steps on a segment's support rows.
        inner_rate: initial step size of those steps; it is learned too (Li and others, Meta-SGD, 2017).
        fallback_weight: weight of the log loss before the inner steps, relative to the one after them.
        segments_per_step: segments of an outer step.
        queries: query rows of each segment in an outer step.
        epochs: largest number of passes over the training rows, by outer steps.
    """

    order: int = Field(default=2, ge=1, le=2)
    inner_rate: float = Field(default=0.1, gt=0)
    inner_steps: int = Field(default=10, ge=1)
    fallback_weight: float = Field(default=0.5, ge=0)
    segments_per_step: int = Field(default=16, ge=1)
    queries: int = Field(default=20, ge=1, validation_alias=AliasChoices("queries", "asked"))
    epochs: int = Field(default=100, ge=1)
    patience: int = Field(default=20, ge=1)
    learning_rate: float = Field(default=0.003, gt=0)


class MetaNet(nn.Module):
    """A body and the head that every segment starts from."""

    def __init__(self, body: Body, config: MAMLConfig) -> None:
        super().__init__()
        self.body, self.config = body, config
        self.start = nn.Parameter(torch.zeros(config.hidden[-1] + 1))
        self.log_rate = nn.Parameter(torch.tensor(math.log(config.inner_rate)))

    def loss(self, tasks: Tasks, support: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """The loss of B episodes on their query rows [B, Q], after inner steps on their support rows [B, K]."""
        states, target = self._states(tasks, support), tasks.target[support]
        heads = self.start.expand(len(support), -1)
        for _ in range(self.config.inner_steps):
            heads = heads - self.log_rate.exp() * self._slope(states, target, heads)
        states, target = self._states(tasks, query), tasks.target[query]
        before, after = states @ self.start, torch.einsum("bqh,bh->bq", states, heads)
        weight = None if tasks.weight is None else tasks.weight[query]
        return log_loss(after, target, weight) + self.config.fallback_weight * log_loss(before, target, weight)

    def _slope(self, states: torch.Tensor, target: torch.Tensor, heads: torch.Tensor) -> torch.Tensor:
        """The gradient of each episode's mean log loss by its head, [B, H + 1]."""
        wrong = torch.sigmoid(torch.einsum("bkh,bh->bk", states, heads)) - target
        slope = torch.einsum("bkh,bk->bh", states, wrong) / states.shape[1]
        return slope if self.config.order == 2 else slope.detach()

    def _states(self, tasks: Tasks, rows: torch.Tensor) -> torch.Tensor:
        """[B, K, H + 1], a one behind each state."""
        states = self.body(tasks.features[rows])
        return torch.cat([states, states.new_ones((*rows.shape, 1))], dim=2)


class MAML(FewShotFamily[MAMLConfig]):
    """The model family ``maml``."""

    name = "maml"
    config_type = MAMLConfig

    def train(self, tasks: Tasks, config: MAMLConfig, *, seed: int, progress: Progress) -> FittedHeads:
        """Meta-training, then every head by the same steps from all its rows."""
        net = MetaNet(Body(tasks.features.shape[1], config.hidden, dropout=config.dropout), config)
        epochs = self._meta_train(net, tasks, config, seed=seed, progress=progress)
        states, label = tasks.states(net.body), tasks.label.numpy()
        rule = Descend(rate=float(net.log_rate.detach().exp()), steps=config.inner_steps)
        heads = np.tile(net.start.detach().numpy().astype(np.float64), (tasks.segments + 1, 1))
        for place, rows in tasks.members().items():
            heads[place] = rule.head(states[rows], label[rows], heads, tasks.counts(rows))
        return FittedHeads(net.body, heads, rule, epochs)

    def _meta_train(self, net: MetaNet, tasks: Tasks, config: MAMLConfig, *, seed: int, progress: Progress) -> int:
        """Trains in place and returns the epoch whose weights were kept, from 1."""
        sizes = {"shots": config.shots, "queries": config.queries}
        train, validation = Pool.split(tasks.members(), tasks.split[1])
        if len(train.able(config.shots)) < 2 or not validation.able(config.shots):
            raise FitError(self.name, f"learns from two or more segments of more than {config.shots} rows each")
        draw = np.random.default_rng(seed)
        exam = validation.episodes(_VALIDATION_EPISODES, **sizes, draw=draw)
        steps = -(-len(tasks.label) // (config.segments_per_step * (config.shots + config.queries)))
        optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)

        def epoch() -> None:
            for _ in range(steps):
                optimizer.zero_grad()
                episodes = train.episodes(config.segments_per_step, **sizes, draw=draw)
                net.loss(tasks, *episodes).backward()  # type: ignore[no-untyped-call]
                optimizer.step()

        def validation_loss() -> float:
            with torch.no_grad():
                return float(net.loss(tasks, *exam))

        progress.begin("meta-train", total=config.epochs)
        return early_stopped(net, epoch, validation_loss, config=config, progress=progress)
