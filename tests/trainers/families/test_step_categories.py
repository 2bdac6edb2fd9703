"""Step features that are categories: in tables, contracts, networks and computed columns."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoreline_registry.documents.contract import InputContract, ScoreContract, SequenceContract
from scoreline_trainers.data.columns import Columns, SequenceSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.sequences import to_examples
from scoreline_trainers.engineering.pipeline import FeaturePipeline
from scoreline_trainers.engineering.sequences import Rolling
from scoreline_trainers.errors import DataError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.gate.checks import prove
from scoreline_trainers.progress import Silent
from tests.trainers.tables import OVER_HISTORIES, SMALL

LONG = pl.DataFrame(
    {
        "person": ["a", "a", "b", "b", "b", "c"],
        "day": [0, 1, 0, 1, 2, 0],
        "spent": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "status": ["paid", "late", None, "paid", "paid", "odd"],
        "label": [1, 1, 0, 0, 0, 1],
    }
)
LISTS = LONG.group_by("person", maintain_order=True).agg("spent", "status", pl.col("label").last())
WIDE = pl.DataFrame({"s1": [1.0, 2.0], "s2": [3.0, 4.0], "t1": ["paid", None], "t2": ["late", "paid"], "label": [0, 1]})


def columns(**sequence: Any) -> Columns:
    return Columns(label="label", sequence=SequenceSpec(**{"categories": ("status",), **sequence}))


BY_DAY = columns(entity="person", order="day", features=("spent", "status"))


def many(rows: int = 250, *, seed: int = 0) -> Dataset:
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, 6, rows)
    names = (None, *("late", "paid", "odd") * 3)
    status = [[names[code] for code in draw.integers(0, len(names), n)] for n in lengths]
    label = np.array([each.count("late") > 1 for each in status], np.int8)
    frame = pl.DataFrame({"spent": [draw.normal(size=n).tolist() for n in lengths], "status": status, "label": label})
    return Dataset.from_table(frame, columns(lists=("spent", "status")))


@pytest.mark.parametrize(("frame", "spec"), [(LONG, BY_DAY), (LISTS, columns(lists=("spent", "status")))])
def test_names_become_indices_of_the_vocabulary(frame: pl.DataFrame, spec: Columns) -> None:
    data = Dataset.from_table(frame, spec)
    assert data.inputs.sequence is not None
    assert data.inputs.sequence.vocabularies == {"status": ("late", "odd", "paid")}
    assert data.sequence is not None
    np.testing.assert_array_equal(data.sequence[:, :, 1], [[2, 0, 0], [np.nan, 2, 2], [1, 0, 0]])
    np.testing.assert_array_equal(data.sequence[:, :, 0], [[1, 2, 0], [3, 4, 5], [6, 0, 0]])


def test_wide_tables_have_a_category_in_several_columns() -> None:
    data = Dataset.from_table(WIDE, columns(steps={"spent": ("s1", "s2"), "status": ("t1", "t2")}))
    assert data.sequence is not None
    np.testing.assert_array_equal(data.sequence[:, :, 1], [[1, 0], [np.nan, 1]])


def test_names_that_the_contract_lacks_are_its_number_of_names() -> None:
    inputs = Dataset.from_table(LONG.filter(pl.col("person") != "c"), BY_DAY).inputs
    data = Dataset.from_table(LONG, BY_DAY, inputs=inputs)
    assert data.sequence is not None
    assert data.sequence[2, 0, 1] == 2
    assert to_examples(LONG, BY_DAY).step_names == {"status": ("late", "odd", "paid")}


def test_contracts_without_categories_keep_their_bytes() -> None:
    plain = InputContract(sequence=SequenceContract(features=("spent",), max_length=3))
    assert json.loads(plain.model_dump_json())["sequence"] == {"features": ["spent"], "max_length": 3}


@pytest.mark.parametrize(
    ("vocabularies", "message"),
    [({"other": ("a",)}, "of no step feature"), ({"s": ()}, "1 to 65536"), ({"s": ("a", "a")}, "duplicate")],
)
def test_vocabularies_that_fit_no_step_are_refused(vocabularies: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SequenceContract(features=("s",), max_length=3, vocabularies=vocabularies)


def test_a_recipe_names_step_features_as_categories() -> None:
    with pytest.raises(ValueError, match="'categories' names 'other', no step feature"):
        columns(entity="person", order="day", features=("spent",), categories=("other",))


@pytest.mark.parametrize("family", OVER_HISTORIES)
def test_networks_learn_from_categories_of_steps_and_the_gate_proves_it(family: str) -> None:
    pytest.importorskip("torch", reason="needs the extra deep")
    data = many()
    config = FAMILIES[family].config_type(**{**SMALL[family], "epochs": 8})
    fitted = FAMILIES[family].fit(data, config, seed=0, progress=Silent())
    score = fitted.predict(data.batch)
    assert score[data.label == 1].mean() > score[data.label == 0].mean() + 0.05
    prove(
        fitted.to_onnx().SerializeToString(),
        subject="test",
        inputs=data.inputs,
        score=ScoreContract(meaning="test", extras=tuple(fitted.extras(data.batch.take(slice(0, 1))))),
        samples=data.batch,
        reference=lambda batch: {"score": fitted.predict(batch), **fitted.extras(batch)},
    )


def test_gradients_are_of_each_value_of_a_step() -> None:
    pytest.importorskip("torch", reason="needs the extra deep")
    from scoreline_trainers.families.networks.network import FittedNetwork

    data = many()
    fitted = FAMILIES["lstm"].fit(data, FAMILIES["lstm"].config_type(**SMALL["lstm"]), seed=0, progress=Silent())
    assert isinstance(fitted, FittedNetwork)
    found = fitted.gradients(data.batch.take(slice(0, 10)), data.batch, points=256)
    assert data.sequence is not None
    assert found.sequence is not None
    assert found.sequence.shape == (10, *data.sequence.shape[1:])
    assert found.error.max() < 0.01 * np.abs(found.margin - found.base).max()


def test_windows_are_computed_from_numbers_alone() -> None:
    data = many()
    with pytest.raises(DataError, match="a category of steps"):
        FeaturePipeline.fit([Rolling(kind="rolling", windows=(3,), steps=("status",))], data)
    fitted = FeaturePipeline.fit([Rolling(kind="rolling", windows=(3,), statistics=("mean",))], data)
    assert [feature.name for feature in fitted.inputs.features] == ["spent_mean_3"]
