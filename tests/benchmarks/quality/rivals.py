"""Plain models of the libraries themselves, as their documentation shows them: what a family must not be below."""

from collections.abc import Callable, Mapping
from typing import Any

import catboost
import lightgbm
import numpy as np
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from scoreline_trainers.data.batch import Float32, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.features import category_columns

Rival = Callable[[Dataset, Dataset, int], Float64]
"""Training rows, test rows and seed -> the score of each test row, float64 [N]."""


def _lightgbm(train: Dataset, test: Dataset, seed: int) -> Float64:
    model = lightgbm.LGBMClassifier(random_state=seed, n_jobs=1, verbosity=-1)
    model.fit(train.batch.table, train.label, categorical_feature=list(category_columns(train.inputs.features)))
    return np.asarray(model.booster_.predict(test.batch.table, num_threads=1), np.float64)


def _logistic(train: Dataset, test: Dataset, seed: int) -> Float64:
    return _of_matrix(LogisticRegression(max_iter=1000, random_state=seed), train, test, scale=True)


def _mlp(train: Dataset, test: Dataset, seed: int) -> Float64:
    return _of_matrix(MLPClassifier(random_state=seed), train, test, scale=True)


def _random_forest(train: Dataset, test: Dataset, seed: int) -> Float64:
    return _of_matrix(RandomForestClassifier(random_state=seed, n_jobs=1), train, test, scale=False)


def _xgboost(train: Dataset, test: Dataset, seed: int) -> Float64:
    return _of_matrix(xgboost.XGBClassifier(random_state=seed, n_jobs=1), train, test, scale=False)


def _catboost(train: Dataset, test: Dataset, seed: int) -> Float64:
    columns = list(category_columns(train.inputs.features))
    model = catboost.CatBoostClassifier(
        random_seed=seed, thread_count=1, verbose=False, cat_features=columns, allow_writing_files=False
    )
    model.fit(_objects(train, columns), train.label)
    return np.asarray(model.predict_proba(_objects(test, columns)), np.float64)[:, 1]


RIVALS: Mapping[str, Rival] = {
    "lightgbm": _lightgbm,
    "logistic": _logistic,
    "mlp": _mlp,
    "random_forest": _random_forest,
    "xgboost": _xgboost,
    "catboost": _catboost,
}
"""The library's own defaults, by the family that is its equal."""


def _of_matrix(model: Any, train: Dataset, test: Dataset, *, scale: bool) -> Float64:
    """A pipeline that fills, scales where asked to, and gives every category a column."""
    categories = list(category_columns(train.inputs.features))
    numbers = [column for column in range(len(train.inputs.features)) if column not in categories]
    fill = SimpleImputer(strategy="median")
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(fill, StandardScaler()) if scale else fill, numbers),
            ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), categories),
        ]
    )
    pipeline = make_pipeline(columns, model).fit(train.batch.table, train.label)
    return np.asarray(pipeline.predict_proba(test.batch.table), np.float64)[:, 1]


def _objects(data: Dataset, categories: list[int]) -> Any:
    """The features with categories as whole numbers, which CatBoost asks for; a missing one is -1."""
    values: Float32 = data.batch.table
    table = values.astype(object)
    for column in categories:
        table[:, column] = np.nan_to_num(values[:, column], nan=-1).astype(int)
    return table
