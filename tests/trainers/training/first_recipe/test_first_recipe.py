from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoreline_registry.strict_yaml import read_yaml
from scoreline_trainers.data.reading.csv_files import CsvFormat
from scoreline_trainers.errors import DataError
from scoreline_trainers.profiling.profile import profile
from scoreline_trainers.training.first_recipe.choices import Choice, Item, document, yaml_text
from scoreline_trainers.training.first_recipe.first_recipe import FirstRecipe, first_recipe, model_name
from scoreline_trainers.training.recipe import Recipe
from tests.trainers.profiling.test_profile import ROWS, table


def made(frame: pl.DataFrame, *, label: str | None = "y", form: CsvFormat | None = None) -> FirstRecipe:
    """The first recipe of a table."""
    return first_recipe(profile(frame, label=label), name="m", data="t.csv", form=form)


def repeated(frame: pl.DataFrame, times: int) -> pl.DataFrame:
    """More rows of the same."""
    return pl.concat([frame] * times)


def test_the_yaml_is_the_recipe() -> None:
    found = made(table(c=["a", "b"] * 300))
    assert read_yaml(found.text, source="text") == found.document
    assert Recipe.parse(found.document) == found.recipe


def test_every_key_but_the_plain_ones_has_its_reason() -> None:
    found = made(table(closed_date=["2024-01-01"] * ROWS, store_code=[n % 40 for n in range(ROWS)]))
    told = {reason.partition(":")[0].partition(" ")[0] for reason in found.reasons}
    assert {choice.key for choice in found.choices} - told == {"name", "data", "config", "score"}
    assert all(" ".join(reason.split()[:3]) for reason in found.reasons)


def test_reasons_are_comments_whatever_names_hold() -> None:
    frame = table(**{"two\nlines: x": [1.5, 2.5] * 300, "gro\u00df": ["\u00e4", "\u00f6"] * 300})
    found = made(frame)
    assert read_yaml(found.text, source="text") == found.document
    assert "two\nlines: x" in found.recipe.exclude
    assert "gro\u00df" not in found.recipe.exclude


def test_what_is_no_input_is_left_out_with_its_reason() -> None:
    frame = table(
        empty=[None] * ROWS,
        constant=[1] * ROWS,
        notes=[f"text {n % 590}" for n in range(ROWS)],
        copied=table()["y"],
        key=[f"k{n}" for n in range(ROWS)],
        born=[f"{1 + n % 28:02}.{1 + n % 12:02}.{1950 + n % 40}" for n in range(ROWS)],
        nested=[[1]] * ROWS,
    )
    found = made(frame)
    assert found.recipe.exclude == ("empty", "constant", "notes", "copied", "born", "nested")
    assert found.recipe.unit == "key"
    assert "copied  # predicts the label alone: it has an AUC of 1.000 on rows held out: known only after" in found.text


def test_facts_that_training_would_not_infer_are_written() -> None:
    many = [f"n{n % 250}" for n in range(2 * ROWS)]
    frame = repeated(table(education=[1, 2, 3, 4] * 150), 2).with_columns(city=pl.Series(many))
    described = {spec.name: spec for spec in made(frame).recipe.described}
    assert described["education"].kind == "category"
    assert described["city"].max_names == 100


def test_ids_of_other_things_are_left_out() -> None:
    many = [f"s{n % 300}" for n in range(2 * ROWS)]
    frame = repeated(table(customer_id=range(ROWS)), 2).with_columns(session_id=pl.Series(many))
    assert made(frame).recipe.exclude == ("session_id",)


def test_a_class_of_few_rows_is_refused() -> None:
    frame = table().with_columns(y=pl.Series(["a", "b"] * 297 + ["c"] * 6))
    with pytest.raises(DataError, match="'y' has 6 rows of the class 'c': leave them out, or name the one that counts"):
        made(frame)


def test_a_table_without_an_input_is_refused_with_reasons() -> None:
    frame = pl.DataFrame({"y": [0, 1] * 50, "one": [1] * 100, "none": [None] * 100})
    with pytest.raises(DataError, match=r"no column is left as an input: 'one': one value .*; 'none': no value"):
        made(frame)


def test_a_label_must_be_named_and_candidates_are() -> None:
    with pytest.raises(DataError, match="name the label, the column to predict: --label NAME, such as y, flag"):
        made(table(flag=[True, False] * 300), label=None)


@pytest.mark.parametrize(
    ("rows", "positives", "family"), [(600, 200, "stacking"), (600, 30, "logistic"), (4800, 1000, "lightgbm")]
)
def test_the_family_goes_by_the_rows(rows: int, positives: int, family: str) -> None:
    frame = repeated(table(), rows // ROWS)
    labels = pl.Series([1] * positives + [0] * (rows - positives)).shuffle(seed=0)
    assert made(frame.with_columns(y=labels)).recipe.family == family


def test_other_labels_than_yes_and_no_have_their_task() -> None:
    classes = made(table().with_columns(y=pl.Series(["a", "b", "c"] * 200))).recipe
    assert classes.task == "multiclass"
    amounts = made(table().with_columns(y=pl.Series(np.random.default_rng(0).normal(0, 1, ROWS)))).recipe
    assert (amounts.task, amounts.score.meaning) == ("regression", "expected y")
    assert classes.score.meaning.startswith("probability that y is ")


def test_dated_rows_are_validated_forward_in_time() -> None:
    days = [(datetime.fromisoformat("2024-01-01") + timedelta(days=n)).strftime("%d.%m.%Y") for n in range(ROWS)]
    recipe = made(table(application_date=days)).recipe
    assert (recipe.time, recipe.dates) == ("application_date", {"application_date": "%d.%m.%Y"})
    assert recipe.validation.kind == "walk_forward"
    assert recipe.validation.test is not None


def test_rows_of_a_unit_stay_together() -> None:
    recipe = made(table(customer_id=[n % 200 for n in range(ROWS)])).recipe
    assert (recipe.unit, recipe.validation.kind) == ("customer_id", "groups")


def test_steps_become_a_sequence() -> None:
    people = np.repeat(np.arange(100), 6)
    draw = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "client_id": people,
            "month": np.tile(np.arange(6), 100),
            "spent": draw.normal(0, 1, 600),
            "mood": draw.choice(["a", "b"], 600),
            "age": 20 + people % 50,
            "y": people % 2,
        }
    )
    recipe = made(frame).recipe
    assert recipe.sequence is not None
    assert (recipe.sequence.entity, recipe.sequence.order) == ("client_id", "month")
    assert recipe.sequence.features == ("spent",)
    assert recipe.exclude == ("mood",)
    assert recipe.family == "lightgbm"


def test_how_the_file_is_written_is_kept() -> None:
    recipe = made(table(), form=CsvFormat(";", ",", "cp1252")).recipe
    assert (recipe.separator, recipe.decimal, recipe.encoding) == (";", ",", "cp1252")
    plain = made(table(), form=CsvFormat(",", ".", "utf-8-sig")).document
    assert not {"separator", "decimal", "encoding"} & plain.keys()


@pytest.mark.parametrize(
    ("text", "name"), [("Kunden 2024", "kunden-2024"), ("\u00c4pfel", "pfel"), ("2024", "model-2024"), ("", "model")]
)
def test_a_models_name_is_made_of_any_text(text: str, name: str) -> None:
    assert model_name(text) == name


def test_items_have_their_reasons_beside_them() -> None:
    values: tuple[Any, ...] = (Item("a", "first"), Item({"name": "b"}))
    choices = [Choice("name", "m"), Choice("features", values, "two of them")]
    assert yaml_text(choices, ["head"]) == (
        "# head\nname: m\n# two of them\nfeatures:\n  - a  # first\n  - {name: b}\n"
    )
    assert document(choices) == {"name": "m", "features": ["a", {"name": "b"}]}


def test_long_mappings_have_a_line_for_each_key() -> None:
    value = {"files": {f"part_{n}": "a" * 20 for n in range(5)}, "n": 1}
    text = yaml_text([Choice("data", value)])
    assert text.splitlines()[:3] == ["data:", "  files:", f"    part_0: {'a' * 20}"]
    assert read_yaml(text, source="text") == {"data": value}
