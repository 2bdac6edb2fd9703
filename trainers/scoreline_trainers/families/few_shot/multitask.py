"""Multi-task: body and all heads learned together, heads held near their common mean. Needs the extra ``deep``."""

import numpy as np
import torch
from pydantic import AliasChoices, Field
from torch import nn

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.families.few_shot.few_shot import Body, FewShotConfig, FewShotFamily, FittedHeads, Tasks
from scoreline_trainers.families.networks.modules.net import Fed, Learner
from scoreline_trainers.families.networks.network_training import Lesson, log_loss, train_network
from scoreline_trainers.heads.rules import Spread
from scoreline_trainers.heads.trials import STRENGTHS, best_rule, trials_of
from scoreline_trainers.progress import Progress


class MultitaskConfig(FewShotConfig):
    """Options of the family; see ``FewShotConfig`` too.

    Attributes:
        pull: weight of the squared distance of a head from the shared one, against the mean log loss.
        unseen: share of the rows that are trained without their segment, drawn anew in each step, for the fallback
            head.
    """

    pull: float = Field(default=0.003, ge=0)
    unseen: float = Field(default=0.2, ge=0, lt=1, validation_alias=AliasChoices("unseen", "strangers"))


class ManyHeads(Learner):
    """A body, a shared head, and what each segment adds to it (Evgeniou and Pontil, KDD 2004).

    The last column of its features is the place of the row's head.
    """

    def __init__(self, body: Body, state: int, segments: int, *, unseen: float) -> None:
        super().__init__()
        self.body, self.unseen = body, unseen
        self.shared = nn.Linear(state, 1)
        self.own = nn.Parameter(torch.zeros(segments, state + 1))

    def margin(self, fed: Fed) -> torch.Tensor:
        """Log odds, float32 [N]."""
        state = self.body(fed.features[:, :-1])
        places = fed.features[:, -1].to(torch.int64)
        if self.training:
            places = places.masked_fill(torch.rand(len(places)) < self.unseen, len(self.own))
        own = torch.cat([self.own, self.own.new_zeros((1, self.own.shape[1]))])[places]
        odds: torch.Tensor = torch.squeeze(self.shared(state), 1) + (own[:, :-1] * state).sum(dim=1) + own[:, -1]
        return odds

    def distance(self) -> torch.Tensor:
        """The mean squared distance of a head from the shared one."""
        return (self.own**2).sum(dim=1).mean()

    def heads(self) -> Float64:
        """float64 [S + 1, H + 1]."""
        shared = torch.cat([self.shared.weight[0], self.shared.bias]).detach().numpy().astype(np.float64)
        return np.vstack([shared + self.own.detach().numpy(), shared])


class Multitask(FewShotFamily[MultitaskConfig]):
    """The model family ``multitask``."""

    name = "multitask"
    config_type = MultitaskConfig

    def train(self, tasks: Tasks, config: MultitaskConfig, *, seed: int, progress: Progress) -> FittedHeads:
        """Trains body and heads together, then selects the rule for new heads."""
        body = Body(tasks.features.shape[1], config.hidden, dropout=config.dropout)
        net = ManyHeads(body, config.hidden[-1], tasks.segments, unseen=config.unseen)

        def loss(margin: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
            return log_loss(margin, target, weight) + config.pull * net.distance()

        fed = Fed.of_features(torch.cat([tasks.features, tasks.places[:, None].to(torch.float32)], dim=1))
        lesson = Lesson(fed, tasks.target, tasks.weight, loss)
        epochs = train_network(net, lesson, split=tasks.split, config=config, seed=seed, progress=progress)
        progress.begin("choose how new heads are made")
        trials = trials_of(
            tasks.states(body), tasks.label.numpy(), tasks.members(), net.heads(), shots=config.shots, seed=seed
        )
        rule = best_rule([Spread(strength=strength) for strength in STRENGTHS], trials)
        return FittedHeads(body, net.heads(), rule, epochs)
