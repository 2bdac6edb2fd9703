"""An attacker who sees scores only, and what attacks do to a model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Batch, Float32
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.evaluation.metrics import auc
from scoreline_trainers.family import Fitted

TRIES = 40


@dataclass(frozen=True, slots=True)
class Attack:
    """Moves numbers of every row by ``epsilon`` standard deviations, up or down, so that the score errs most.

    The attacker asks for the score of ``TRIES`` combinations of directions per row and sends the one that scores a
    positive row lowest, a negative row highest. Every model is attacked on its own scores, in the same directions.

    Attributes:
        columns: the features that are moved.
        deviations: float32, by how much each of them varies in the rows that the model learned from.
        epsilon: in standard deviations.
    """

    columns: Sequence[int]
    deviations: Float32
    epsilon: float

    @classmethod
    def on_numbers(cls, learned: Dataset, *, epsilon: float) -> "Attack":
        """On every number of a dataset."""
        features = learned.inputs.features
        columns = [place for place, feature in enumerate(features) if feature.kind == "number"]
        return cls(columns, np.nanstd(learned.batch.table[:, columns], axis=0), epsilon)

    def on(self, model: Fitted, data: Dataset, *, seed: int = 0) -> Batch:
        """The rows of ``data`` as the attacker of this model sends them."""
        draw = np.random.default_rng(seed)
        towards = np.where(data.label == 1, -1, 1)
        table = data.batch.table
        worst, height = table.copy(), np.full(len(data), -np.inf)
        for _ in range(TRIES):
            moved = table.copy()
            directions = draw.choice([-1, 1], (len(data), len(self.columns)))
            moved[:, self.columns] += self.epsilon * self.deviations * directions
            gained = towards * model.predict(Batch(features=moved))
            better = gained > height
            worst[better], height = moved[better], np.where(better, gained, height)
        return Batch(features=worst)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A model under attack.

    Attributes:
        clean_auc, attacked_auc: on rows as they are and as the attacker sends them.
        detected: share of attacked rows above the anomaly score that 2 in 100 clean rows are above; None where the
            model gives none.
        flagged_clean, flagged_attacked: shares that its own flag is set for.
    """

    clean_auc: float
    attacked_auc: float
    detected: float | None = None
    flagged_clean: float | None = None
    flagged_attacked: float | None = None


def outcome(model: Fitted, data: Dataset, attack: Attack) -> Outcome:
    """What the attack does to a model on rows that it did not learn from."""
    sent = attack.on(model, data)
    aucs = auc(data.label, model.predict(data.batch)), auc(data.label, model.predict(sent))
    clean, attacked = model.extras(data.batch), model.extras(sent)
    if "anomaly_score" not in clean:
        return Outcome(*aucs)
    limit = np.quantile(clean["anomaly_score"], 0.98)
    detected = float((attacked["anomaly_score"] > limit).mean())
    return Outcome(*aucs, detected, float(clean["anomaly_flag"].mean()), float(attacked["anomaly_flag"].mean()))


SPENDERS = Columns(label="label", features="auto")


def spenders(rows: int, *, seed: int = 0) -> pl.DataFrame:
    """Accounts whose nine numbers hang together as in life: sums, products, and months that follow one another."""
    draw = np.random.default_rng(seed)
    plan = draw.integers(0, 3, rows)
    price = np.array([20.0, 45.0, 80.0])[plan] + draw.normal(0, 1, rows)
    months = draw.integers(1, 72, rows)
    level = draw.lognormal(7, 0.5, rows)
    spent = level[:, None] * np.cumprod(draw.lognormal(0, 0.08, (rows, 4)), axis=1)
    odds = 0.03 * price - 0.06 * months + 0.8 * (np.log(level) - 7) + 1.2 * (np.log(spent[:, 3] / spent[:, 0]) > 0)
    frame = {
        "plan": [("small", "medium", "large")[index] for index in plan],
        "price": price,
        "months": months,
        "paid": price * months * draw.lognormal(0, 0.03, rows),
        **{f"spent_{month}": spent[:, month] for month in range(4)},
        "spent_in_all": spent.sum(axis=1) * draw.lognormal(0, 0.01, rows),
        "label": (draw.random(rows) < 1 / (1 + np.exp(-1.5 * (odds - np.median(odds))))).astype(np.int8),
    }
    return pl.DataFrame(frame)
