"""Which steps a network looks at."""

import numpy as np
import pytest

from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.explanation.history import history_profile
from tests.trainers.explanation.test_explainers import PEOPLE, fitted
from tests.trainers.tables import HISTORY, SMALL, histories

DATA = Dataset.from_table(histories(), HISTORY)


def test_gradients_are_by_age_of_the_step() -> None:
    pytest.importorskip("torch", reason="needs the extra deep")
    model = fitted("lstm", SMALL["lstm"], DATA)
    found = history_profile(model, DATA.inputs, DATA.batch, DATA.batch.take(np.arange(20)), seed=0)
    assert found is not None
    assert [step.name for step in found.steps] == ["spent", "earned", "calls"]
    longest = int(DATA.batch.history[1].max())
    assert all(len(step.gradients) == longest and max(step.gradients) > 0 for step in found.steps)
    assert found.rows == 50


def test_models_without_a_history_or_without_gradients_have_none() -> None:
    trees = fitted("lightgbm", {"n_estimators": 2})
    assert history_profile(trees, PEOPLE.inputs, PEOPLE.batch, PEOPLE.batch, seed=0) is None
    assert history_profile(trees, DATA.inputs, DATA.batch, DATA.batch, seed=0) is None
