"""Folds that every candidate shares."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedKFold, TimeSeriesSplit

from scoreline_trainers.data.batch import RowIndices
from scoreline_trainers.data.dataset import Labels

FOLDS = 5


@dataclass(frozen=True)
class Fold:
    """Rows to learn from and rows to be judged by.

    Attributes:
        name: such as "seed 0, fold 2".
        seed: of everything that candidates draw.
        train, test: row numbers, ascending.
    """

    name: str
    seed: int
    train: RowIndices
    test: RowIndices


def folds(label: Labels, *, seeds: tuple[int, ...], by_time: bool) -> Iterator[Fold]:
    """Stratified folds for each seed; of a table in order of time, one walk forward for each seed.

    Args:
        label: int8 [N].
        seeds: of the draw, and of the candidates.
        by_time: whether the rows are in order of time: each fold then trains on the rows before its own.
    """
    for seed in seeds:
        if by_time:
            splits = TimeSeriesSplit(FOLDS).split(label)
        else:
            splits = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(label, label)
        for number, (train, test) in enumerate(splits):
            yield Fold(f"seed {seed}, fold {number}", seed, np.sort(train), np.sort(test))
