"""Rows that nobody has labelled: who can learn from them, and what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scoreline_registry.registry import Registry
from scoreline_registry.storage.memory import MemoryStorage
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError, RecipeError
from scoreline_trainers.training.candidate import publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.trainers.tables import PURCHASES, SMALL, TABLE, dataset, fit, people, purchases

WEIGHTS = {"amount_above": 0.8, "category_rarity": 0.4}


def recipe(family: str, config: dict[str, Any], **facts: Any) -> Recipe:
    columns = {"isolation_forest": TABLE, "profile_deviation": PURCHASES}.get(family, TABLE)
    inputs = columns.model_dump(mode="json", exclude_defaults=True)
    del inputs["label"]
    return Recipe.parse({**inputs, "name": "odd", "data": "unused.csv", "family": family, "config": config, **facts})


def test_anomalies_are_found_without_labels() -> None:
    frame = people()
    found = train(recipe("isolation_forest", SMALL["isolation_forest"]), frame.drop("label"))
    labelled = fit("isolation_forest", dataset())
    assert found.manifest.metrics == {}
    assert found.manifest.training is not None
    assert found.manifest.training.positives is None
    assert found.manifest.parity is not None
    assert found.fitted.predict(dataset().batch).std() > 0.01
    assert labelled.predict(dataset().batch).shape == (len(frame),)


def test_weights_of_rows_are_refused_where_all_count_alike() -> None:
    data = dataset()
    with pytest.raises(FitError, match="remove 'weight' and 'class_weight'"):
        fit("isolation_forest", replace(data, weight=np.ones(len(data))))


def test_a_purchase_is_judged_by_given_weights_without_labels() -> None:
    config = {**SMALL["profile_deviation"], "weights": WEIGHTS}
    found = train(recipe("profile_deviation", config), purchases().drop("label"))
    assert found.report.described["weight of amount_above"] == 0.8


def test_weights_cannot_be_learned_without_labels() -> None:
    with pytest.raises(FitError, match="name one, or give 'weights'"):
        train(recipe("profile_deviation", SMALL["profile_deviation"]), purchases().drop("label"))


@pytest.mark.parametrize(
    ("family", "facts", "needing"),
    [
        ("logistic", {}, "family 'logistic' cannot"),
        ("isolation_forest", {"calibration": "sigmoid"}, "and calibration cannot"),
        (
            "isolation_forest",
            {"score": {"bands": {"choose": "rates", "rates": {"low": 0, "high": 0.4}}}},
            "and score.bands by rates cannot",
        ),
    ],
)
def test_what_needs_labels_says_so(family: str, facts: dict[str, Any], needing: str) -> None:
    with pytest.raises(RecipeError, match=f"label: is missing, and .*{needing.removeprefix('and ')} do without"):
        recipe(family, SMALL[family], **facts)


def test_rows_without_labels_are_known_as_such() -> None:
    columns = TABLE.model_copy(update={"label": None})
    data = Dataset.from_table(people().drop("label"), columns)
    assert not data.labelled
    assert not data.take(np.arange(3)).labelled
    assert dataset().labelled


def test_a_version_without_metrics_is_published() -> None:
    chosen = recipe("isolation_forest", SMALL["isolation_forest"])
    registry = Registry.create(MemoryStorage())
    report = publish_candidate(train(chosen, people().drop("label")), chosen, registry, author="tester")
    assert report.version == 1
