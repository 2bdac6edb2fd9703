"""Texts of reasons in contracts: which are taken, and that contracts without them keep their bytes."""

import pytest
from pydantic import ValidationError

from scoreline_registry.documents.contract import Feature, ScoreContract
from scoreline_registry.documents.reason_texts import MOST_CHARACTERS


def test_a_feature_without_texts_is_stored_as_before() -> None:
    stored = Feature(name="age").model_dump()
    assert "texts" not in stored
    assert "adverse" not in ScoreContract(meaning="risk").model_dump()
    assert Feature.model_validate(stored) == Feature(name="age")


def test_texts_by_language_and_direction_are_kept() -> None:
    texts = {"en": {"raises": "{name} of {value}"}, "de-AT": {"lowers": "Alter {value} {{}}"}}
    feature = Feature.model_validate({"name": "age", "texts": texts})
    assert feature.texts["en"].raises == "{name} of {value}"
    assert Feature.model_validate_json(feature.model_dump_json()) == feature
    assert feature.model_dump()["texts"] == texts


@pytest.mark.parametrize(
    ("language", "text", "problem"),
    [
        ("en", "{age}", "placeholder {age}"),
        ("en", "{value.__class__}", "placeholder {value.__class__}"),
        ("en", "{value!r}", "placeholder"),
        ("en", "{value:>9999999}", "placeholder"),
        ("en", "{}", "placeholder {}"),
        ("en", "{value", "unmatched brace"),
        ("en", "x" * (MOST_CHARACTERS + 1), "at most"),
        ("English", "x", "pattern"),
        ("../en", "x", "pattern"),
    ],
)
def test_texts_that_could_not_be_filled_in_are_refused(language: str, text: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Feature.model_validate({"name": "age", "texts": {language: {"raises": text}}})
