"""Outcome models of the doubly robust estimator: the reward that each action is expected to have in each decision."""

import numpy as np

from scoreline_registry.statistics.off_policy.logged import Bool, Float64, Integers, LoggedDecisions

FOLDS = 5
PENALTY = 1.0


def action_means(log: LoggedDecisions, *, folds: int = FOLDS) -> Float64:
    """[N, A] the mean reward of each action in the other folds; the model for decisions without features."""
    return fitted(log, np.zeros((len(log), 0)), folds=folds)


def fitted(log: LoggedDecisions, features: Float64, *, folds: int = FOLDS, penalty: float = PENALTY) -> Float64:
    """[N, A] rewards predicted by one ridge regression per action over ``features`` [N, F], cross-fitted.

    Rows of one fold are predicted by the others' (Chernozhukov et al. 2018), and all rows of a unit are in one fold, so
    that no prediction has learned from its own outcome. Features are standardised, missing ones take the mean;
    ``penalty`` is that of a standardised coefficient. An action that the other folds never take has the mean reward of
    theirs. Raises ValueError for other shapes.
    """
    if features.shape[:1] != (len(log),) or features.ndim != 2:
        raise ValueError(f"features have the shape ({len(log)}, F), not {features.shape}")
    predicted = np.zeros(log.targets.shape)
    columns = _standardised(features)
    fold_of = _folds(log, folds)
    for fold in range(folds):
        held, others = fold_of == fold, fold_of != fold
        if held.any() and others.any():
            predicted[held] = _predicted(log, columns, held, others, penalty)
    return predicted


def _predicted(log: LoggedDecisions, columns: Float64, held: Bool, others: Bool, penalty: float) -> Float64:
    """[held rows, A]"""
    everybody = float(log.rewards[others].mean())
    found = np.full((int(held.sum()), len(log.actions)), everybody)
    for action in range(len(log.actions)):
        rows = others & (log.taken == action)
        if rows.any():
            found[:, action] = columns[held] @ _ridge(columns[rows], log.rewards[rows], penalty)
    return found


def _ridge(columns: Float64, rewards: Float64, penalty: float) -> Float64:
    """The coefficients; the first column, the intercept, has no penalty."""
    penalties = np.full(columns.shape[1], penalty)
    penalties[0] = 0.0
    return np.asarray(np.linalg.solve(columns.T @ columns + np.diag(penalties), columns.T @ rewards), np.float64)


def _standardised(features: Float64) -> Float64:
    """[N, 1 + F] an intercept and the features with mean 0 and spread 1; constant ones are left out."""
    known = np.isfinite(features)
    counts = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, features, 0.0)
    centred = np.where(known, filled - filled.sum(axis=0) / counts, 0.0)
    spreads = np.sqrt(np.square(centred).sum(axis=0) / counts)
    varied = spreads > 0
    return np.column_stack([np.ones(len(features)), centred[:, varied] / spreads[varied]])


def _folds(log: LoggedDecisions, folds: int) -> Integers:
    """The fold of each decision: units, or decisions, dealt in a fixed order."""
    if log.units is None:
        return np.arange(len(log)) % folds
    return np.asarray(np.unique(log.units, return_inverse=True)[1] % folds)
