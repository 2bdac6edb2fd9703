"""Transfer: a body and a head learned from all rows, and a head per segment pulled towards it. Needs ``deep``."""

import numpy as np
import torch
from pydantic import Field
from torch import nn

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.families.few_shot.few_shot import Body, FewShotConfig, FewShotFamily, FittedHeads, Tasks
from scoreline_trainers.families.networks.modules.net import Fed, Learner
from scoreline_trainers.families.networks.modules.widths import Widths
from scoreline_trainers.families.networks.network_training import Lesson, train_network
from scoreline_trainers.heads.rules import Shrink
from scoreline_trainers.heads.trials import STRENGTHS, best_rule, trials_of
from scoreline_trainers.progress import Progress


class TransferConfig(FewShotConfig):
    """Options of the family; see ``FewShotConfig`` too.

    Attributes:
        strength: prior precision of a new head around the fallback head; null chooses the value that scores known
            segments best when each is held out.
        hidden: width of each layer of the body; wide at the end, so that a new segment's head has states to use.
    """

    hidden: Widths = (64, 64)
    weight_decay: float = Field(default=0.0003, ge=0)
    strength: float | None = Field(default=None, gt=0)


class OneHead(Learner):
    """A body with one head for all rows."""

    def __init__(self, body: Body, state: int) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(state, 1)

    def margin(self, fed: Fed) -> torch.Tensor:
        """Log odds, float32 [N]."""
        return torch.squeeze(self.head(self.body(fed.features)), 1)

    def weights(self) -> Float64:
        """The head, float64 [H + 1]."""
        parts = [self.head.weight.detach().numpy()[0], self.head.bias.detach().numpy()]
        return np.concatenate(parts).astype(np.float64)


class Transfer(FewShotFamily[TransferConfig]):
    """The model family ``transfer``."""

    name = "transfer"
    config_type = TransferConfig

    def train(self, tasks: Tasks, config: TransferConfig, *, seed: int, progress: Progress) -> FittedHeads:
        """Body and fallback head from all rows, then every other head from its own rows with the body as it is."""
        body = Body(tasks.features.shape[1], config.hidden, dropout=config.dropout)
        net = OneHead(body, config.hidden[-1])
        lesson = Lesson(Fed.of_features(tasks.features), tasks.target, tasks.weight)
        epochs = train_network(net, lesson, split=tasks.split, config=config, seed=seed, progress=progress)
        states, label, members = tasks.states(body), tasks.label.numpy(), tasks.members()
        heads = np.tile(net.weights(), (tasks.segments + 1, 1))
        progress.begin("fit heads")
        strengths = STRENGTHS if config.strength is None else (config.strength,)
        trials = trials_of(states, label, members, heads, shots=config.shots, seed=seed)
        rule = best_rule([Shrink(strength=strength) for strength in strengths], trials)
        for place, rows in members.items():
            heads[place] = rule.head(states[rows], label[rows], heads, tasks.counts(rows))
        return FittedHeads(body, heads, rule, epochs)
