"""Whether a version is due to be retrained: its age, the drift of new rows, and how it does on them."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np

from scoreline_registry.documents.base import FrozenModel
from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.scores import ranking
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.evaluation.drift import Shift, shifts
from scoreline_trainers.training.retraining.champion import Champion
from scoreline_trainers.training.retraining.rule import RetrainRule

_DAY_SECONDS = 86_400
_SHOWN = 3


class Check(FrozenModel):
    """One thing that was looked at: ``name`` is "rows", "age", "drift", "auc" or "error"."""

    name: str
    due: bool
    text: str


class Decision(FrozenModel):
    """Whether to retrain, by every check.

    Attributes:
        checks: each with what was found.
        enough: whether there are enough new rows to decide on.
        shifts: of the score and the inputs, the largest first; empty without a baseline.
    """

    checks: tuple[Check, ...]
    enough: bool
    shifts: tuple[Shift, ...] = ()

    @property
    def due(self) -> bool:
        """Whether a challenger is due."""
        return self.enough and any(check.due for check in self.checks)

    @property
    def reasons(self) -> str:
        """The checks that are due, in one line."""
        return "; ".join(check.text for check in self.checks if check.due)


def decide(champion: Champion, rows: Dataset, *, now: datetime, is_known: bool = False) -> Decision:
    """Decides by the champion's rule.

    Args:
        champion: the version in question.
        rows: new rows, encoded by its contract.
        now: aware.
        is_known: whether the table is the very one that the champion was made of.
    """
    rule, count = champion.rule, 0 if is_known else len(rows)
    enough = count >= rule.min_rows
    checks = [_rows(rule, count, is_known=is_known), *_age(rule, champion, now)]
    if not enough:
        return Decision(checks=tuple(checks), enough=False)
    score = champion.score(rows)
    found = () if champion.baseline is None else shifts(champion.baseline, rows, score)
    checks += [*_drift(rule, found), *_degradation(rule, champion, rows, score.astype(np.float64))]
    return Decision(checks=tuple(checks), enough=True, shifts=found)


def _rows(rule: RetrainRule, count: int, *, is_known: bool) -> Check:
    text = f"{count:,} new rows, of which {rule.min_rows:,} are needed"
    return Check(name="rows", due=False, text=f"{text}: it was trained on this very table" if is_known else text)


def _age(rule: RetrainRule, champion: Champion, now: datetime) -> Iterator[Check]:
    if rule.max_age_days is not None:
        days = (now - champion.manifest.created_at).total_seconds() / _DAY_SECONDS
        text = f"{days:.1f} days old, {rule.max_age_days:g} are allowed"
        yield Check(name="age", due=days > rule.max_age_days, text=text)


def _drift(rule: RetrainRule, found: Sequence[Shift]) -> Iterator[Check]:
    if rule.psi is None:
        return
    if not found:
        yield Check(name="drift", due=False, text="no baseline to measure drift against")
        return
    limit = rule.psi
    beyond = [shift for shift in found if shift.exceeds(limit)]
    shown = ", ".join(f"{shift.name} {shift.psi:.3f}" for shift in (beyond or found)[:_SHOWN] if shift.psi is not None)
    more = f" and {len(beyond) - _SHOWN} more" if len(beyond) > _SHOWN else ""
    yield Check(name="drift", due=bool(beyond), text=f"PSI {shown}{more}, {limit:g} is allowed")


def _degradation(rule: RetrainRule, champion: Champion, rows: Dataset, score: Float64) -> Iterator[Check]:
    if not rows.labelled:
        yield Check(name="auc", due=False, text="no labels: how it does on the new rows is not known")
    elif rows.amount is not None:
        yield from _error(rule, champion, np.abs(rows.amount - score))
    else:
        yield from _auc(rule, champion, rows, score)


def _auc(rule: RetrainRule, champion: Champion, rows: Dataset, score: Float64) -> Iterator[Check]:
    before = champion.manifest.metrics.get("auc")
    now = ranking.auc(rows.outcome.astype(bool), score)
    if rule.auc_drop is None or before is None or not isinstance(now, Estimate):
        return
    due = before - now.value > rule.auc_drop and now.high < before
    text = f"AUC {now.value:.4f} ({now.low:.4f} to {now.high:.4f}) on the new rows, {before:.4f} when it was trained"
    yield Check(name="auc", due=due, text=f"{text}, a drop of {rule.auc_drop:g} is allowed")


def _error(rule: RetrainRule, champion: Champion, errors: Float64) -> Iterator[Check]:
    before = champion.manifest.metrics.get("mae")
    if rule.error_rise is None or before is None:
        return
    now = float(errors.mean())
    low = now - 1.96 * float(errors.std(ddof=1)) / np.sqrt(len(errors))
    text = f"mean absolute error {now:.4g} on the new rows, {before:.4g} when it was trained"
    due = now > (1 + rule.error_rise) * before and low > before
    yield Check(name="error", due=due, text=f"{text}, a rise of {rule.error_rise:.0%} is allowed")
