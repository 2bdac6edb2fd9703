"""Small tables, and what is learned from them, for the tests of the trainers."""

import json
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from scoreline_trainers.data.columns import Columns, FeatureSpec, NeighborSpec, SequenceSpec
from scoreline_trainers.data.dataset import Dataset, check_learnable, encode_examples, optional_column, table_examples
from scoreline_trainers.data.encoding import infer_inputs
from scoreline_trainers.data.splits import Validation, split_rows
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.family import Fitted
from scoreline_trainers.progress import Silent

CITIES = ("berlin", "lagos", "lima", "oslo", "pune", "quito")

TABLE = Columns(
    label="label",
    features=(
        FeatureSpec(name="income"),
        FeatureSpec(name="age", min=18, max=90),
        FeatureSpec(name="visits"),
        FeatureSpec(name="city"),
        FeatureSpec(name="plan", kind="category"),
    ),
)
SPEND = Columns(
    label="visits",
    task="regression",
    features=(FeatureSpec(name="income"), FeatureSpec(name="age"), FeatureSpec(name="label"), FeatureSpec(name="city")),
)
HISTORY = Columns(
    label="label",
    sequence=SequenceSpec(entity="person", order="day", features=("spent", "earned", "calls")),
)
BOTH = HISTORY.model_copy(update={"features": (FeatureSpec(name="age"), FeatureSpec(name="city"))})
PURCHASES = Columns(
    label="label",
    features=(
        FeatureSpec(name="amount"),
        FeatureSpec(name="category", kind="category"),
        FeatureSpec(name="hour"),
        FeatureSpec(name="payment_method", kind="category"),
    ),
    sequence=SequenceSpec(
        entity="purchase",
        order="step",
        features=("past_amount", "past_category", "past_hour", "past_payment"),
    ),
)

GRAPH = Columns(
    label="label",
    unit="person",
    features=(FeatureSpec(name="age"), FeatureSpec(name="city")),
    neighbors=NeighborSpec(ids="friends", features=("late", "age")),
)

OVER_FEATURES = (
    "logistic",
    "lightgbm",
    "xgboost",
    "catboost",
    "random_forest",
    "isolation_forest",
    "mlp",
    "gan_hardened",
)
OVER_HISTORIES = ("lstm", "cnn_lstm", "tcn", "transformer")
FEW_SHOT = ("transfer", "multitask", "maml")

# What each family is tested on.
CASES: dict[str, tuple[str, Columns]] = {
    **{name: (name, TABLE) for name in OVER_FEATURES},
    **{name: (name, TABLE) for name in FEW_SHOT},
    "linear": ("linear", SPEND),
    "profile_deviation": ("profile_deviation", PURCHASES),
    "gat": ("gat", GRAPH),
    **{name: (name, HISTORY) for name in OVER_HISTORIES},
    **{f"{name} with features": (name, BOTH) for name in OVER_HISTORIES},
    **{name: (name, TABLE) for name in ("voting", "stacking", "segmented")},
    "weighted": ("weighted", BOTH),
}

_QUICK: dict[str, Any] = {"epochs": 12, "batch_size": 32, "learning_rate": 0.02}
_HEADS: dict[str, Any] = {"segment": "city", "hidden": (8, 6), "epochs": 15, "batch_size": 64, "learning_rate": 0.01}

# The least that each family can be trained with, so that the suite stays fast.
SMALL: dict[str, dict[str, Any]] = {
    "logistic": {},
    "linear": {},
    "lightgbm": {"n_estimators": 30, "num_leaves": 12, "threads": 1, "early_stopping_rounds": 0},
    "xgboost": {"n_estimators": 30, "max_depth": 4, "early_stopping_rounds": 0},
    "catboost": {"n_estimators": 30, "depth": 4, "learning_rate": 0.2, "early_stopping_rounds": 0},
    "random_forest": {"n_estimators": 20, "max_leaf_nodes": 16},
    "isolation_forest": {"n_estimators": 20, "max_samples": 64},
    "profile_deviation": {
        "past": {
            "amount": "past_amount",
            "category": "past_category",
            "hour": "past_hour",
            "payment": "past_payment",
        }
    },
    "gan_hardened": {
        "hidden": (8, 6),
        "denoiser": 8,
        "generator": 8,
        "epsilon": 0.15,
        "n_estimators": 20,
        "max_samples": 64,
        "prototypes": 8,
        "epochs": 15,
        "batch_size": 64,
        "learning_rate": 0.01,
    },
    "gat": {"heads": 2, "size": 4, "head": 6, "clusters": 3, **_QUICK},
    "mlp": {"hidden": (8, 6), "epochs": 25, "patience": 25, "batch_size": 64, "learning_rate": 0.01},
    **dict.fromkeys(FEW_SHOT, _HEADS),
    "lstm": {"hidden": (6, 5), "head": 4, **_QUICK},
    "cnn_lstm": {"channels": (4, 6), "hidden": (6, 5), "head": 4, **_QUICK},
    "tcn": {"channels": 5, "dilations": (1, 2), "head": 4, **_QUICK},
    "transformer": {"width": 8, "heads": 2, "layers": 2, "feed_forward": 6, "head": 4, **_QUICK},
}

_TREES = {"family": "lightgbm", "config": SMALL["lightgbm"]}
_LINEAR = {"family": "logistic"}

SMALL |= {
    "voting": {"members": [_TREES, _LINEAR, {"family": "xgboost", "config": SMALL["xgboost"]}]},
    "stacking": {"members": [_TREES, _LINEAR], "folds": 3, "calibration": "sigmoid"},
    "segmented": {
        "segment": "city",
        "member": _TREES,
        "members": {"lima": _LINEAR},
        "fallback": _LINEAR,
        "min_rows": 100,
    },
    "weighted": {
        "members": [
            {"family": "lstm", "config": SMALL["lstm"], "keep": ["sequence"], "weight": 0.7},
            {**_TREES, "keep": ["features"], "weight": 0.3},
        ]
    },
}


def people(rows: int = 800, *, seed: int = 0) -> pl.DataFrame:
    """Numbers and categories with missing values and a label that depends on them."""
    draw = np.random.default_rng(seed)
    income = draw.lognormal(10, 1, rows)
    city = draw.integers(0, len(CITIES), rows)
    plan = draw.integers(1, 4, rows)
    visits = draw.integers(0, 50, rows)
    odds = 0.8 * (np.log(income) - 10) + 0.7 * np.isin(city, (1, 4)) - 0.6 * (plan == 2) + 0.03 * visits - 1.2
    frame = pl.DataFrame(
        {
            "income": income,
            "age": draw.normal(45, 20, rows),
            "visits": visits,
            "city": [CITIES[index] for index in city],
            "plan": plan,
            "label": (draw.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int8),
        }
    )
    hole = {name: pl.Series(draw.random(rows) < 0.08) for name in ("income", "city", "plan")}
    return frame.with_columns(pl.when(~hole[name]).then(pl.col(name)).alias(name) for name in hole)


def histories(entities: int = 300, *, longest: int = 9, seed: int = 0) -> pl.DataFrame:
    """One row per person and day; who spends more every day is labelled 1."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, longest, entities, endpoint=True)
    label = draw.integers(0, 2, entities)
    person = np.repeat(np.arange(entities), lengths)
    day = np.concatenate([np.arange(length) for length in lengths])
    spent = 100 + 20 * label[person] * day + draw.normal(0, 10, len(person))
    frame = pl.DataFrame(
        {
            "person": [f"p{number}" for number in person],
            "day": day,
            "spent": spent,
            "earned": draw.lognormal(7, 0.5, len(person)),
            "calls": draw.poisson(2, len(person)),
            "age": (20.0 + 40 * label)[person] + draw.normal(0, 10, entities)[person],
            "city": [CITIES[number % len(CITIES)] for number in person],
            "label": label[person],
        }
    )
    return frame.with_columns(pl.when(pl.Series(draw.random(len(frame)) > 0.1)).then(pl.col("earned")).alias("earned"))


def purchases(rows: int = 300, *, longest: int = 9, seed: int = 0) -> pl.DataFrame:
    """One row per judged and past purchase; label 1 costs more than usual, at another hour, elsewhere."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, longest, rows, endpoint=True)
    purchase = np.repeat(np.arange(rows), lengths)
    label = (draw.random(rows) < 0.3).astype(np.int8)
    usual, category, hour, payment = draw.normal(3, 1, rows), *(draw.integers(0, n, rows) for n in (5, 18, 3))
    strange = label * (draw.random(rows) < 0.8)
    frame = pl.DataFrame(
        {
            "purchase": [f"p{number}" for number in purchase],
            "step": np.concatenate([np.arange(length) for length in lengths]),
            "past_amount": np.exp(usual[purchase] + draw.normal(0, 0.4, len(purchase))),
            "past_category": 5000.0 + np.where(draw.random(len(purchase)) < 0.8, category[purchase], 7),
            "past_hour": hour[purchase] + draw.normal(3, 1, len(purchase)).clip(0, 6),
            "past_payment": payment[purchase].astype(float),
            "amount": np.exp(usual + 1.5 * strange + draw.normal(0, 0.4, rows))[purchase],
            "category": (5000 + np.where(strange, draw.integers(0, 9, rows), category))[purchase],
            "hour": ((hour + 3.0 + 9 * strange) % 24)[purchase],
            "payment_method": np.array(["card", "cash", "later"])[np.where(strange, 2, payment)][purchase],
            "label": label[purchase],
        }
    )
    past = ("past_amount", "past_category", "past_hour", "past_payment")
    hole = {name: pl.Series(draw.random(len(frame)) < 0.1) for name in past}
    return frame.with_columns(pl.when(~hole[name]).then(pl.col(name)).alias(name) for name in past)


def friends(rows: int = 400, *, most: int = 5, seed: int = 0) -> pl.DataFrame:
    """One row per person, some without a friend; whose friends are often late is labelled 1 more often."""
    draw = np.random.default_rng(seed)
    names = np.array([f"p{number}" for number in range(rows)])
    late = draw.poisson(1.5, rows).astype(float)
    circles = [draw.choice(rows, draw.integers(0, most, endpoint=True), replace=False) for _ in range(rows)]
    around = np.array([late[circle].mean() if len(circle) else 1.5 for circle in circles])
    age = draw.normal(45, 15, rows)
    odds = 1.8 * (around - 1.5) + 0.03 * (age - 45)
    late[draw.random(rows) < 0.1] = np.nan
    return pl.DataFrame(
        {
            "person": names,
            "age": age,
            "city": [CITIES[index] for index in draw.integers(0, len(CITIES), rows)],
            "late": late,
            "friends": [names[circle].tolist() for circle in circles],
            "label": (draw.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int8),
        }
    )


def table(columns: Columns, **options: int) -> pl.DataFrame:
    """The table that has these columns."""
    return {id(TABLE): people, id(SPEND): people, id(PURCHASES): purchases, id(GRAPH): friends}.get(
        id(columns), histories
    )(**options)


def dataset(columns: Columns = TABLE, *, seed: int = 0) -> Dataset:
    """A few hundred rows."""
    return Dataset.from_table(table(columns, seed=seed), columns)


def lacking(family: str) -> str:
    """Why a family, or a member of it, cannot be used here; empty for one that can."""
    nested = [member["family"] for member in SMALL[family].get("members", ()) if isinstance(member, dict)]
    return next(filter(None, map(FAMILIES.problem, [family, *nested])), "")


def fit(family: str, data: Dataset, *, seed: int = 0, **options: Any) -> Fitted:
    """A family trained with its smallest options."""
    chosen = FAMILIES[family]
    # As a recipe reads it.
    config = chosen.config_type.model_validate_json(json.dumps({**SMALL[family], **options}))
    return chosen.fit(data, config, seed=seed, progress=Silent())


class Capsule:
    """An object that speaks the Arrow PyCapsule interface and nothing else."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._table: Any = pa.table(frame)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def split_table(table: object, columns: Columns, *, validation: Validation, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Training and validation datasets under one contract, by a validation of one split."""
    examples = table_examples(table, columns)
    time = optional_column(examples.frame, columns.time)
    unit = optional_column(examples.frame, columns.subject)
    train, validation_rows = split_rows(validation, rows=len(examples.frame), time=time, unit=unit, seed=seed)
    inputs = infer_inputs(examples, columns, rows=train)
    training = encode_examples(examples.take(train), columns, inputs)
    check_learnable(training, columns)
    return training, encode_examples(examples.take(validation_rows), columns, inputs)
