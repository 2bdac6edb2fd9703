"""What a contract says about inputs that people can change."""

import json

import pytest
from pydantic import ValidationError

from scoreline_registry.documents.actionability import Actionability, ActionabilitySpec, derived_order
from scoreline_registry.documents.contract import Feature, InputContract


def contract(**recourse: object) -> InputContract:
    """Three numbers and a category, with these recourse sections."""
    features: list[dict[str, object]] = [{"name": name} for name in ("debt", "income", "ratio")]
    features.append({"name": "job", "kind": "category", "vocabulary": ["none", "some"]})
    for feature in features:
        if feature["name"] in recourse:
            feature["recourse"] = recourse[str(feature["name"])]
    return InputContract.model_validate({"features": features})


def test_a_feature_without_recourse_keeps_its_bytes() -> None:
    assert "recourse" not in json.loads(Feature(name="age").model_dump_json())


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"immutable": True},
        {"min": 0.0},
        {"direction": "up", "max": 0.0, "integer": True, "cost": 2.5},
        {"ratio_of": ["a", "b"]},
    ],
)
def test_recourse_survives_its_document(given: dict[str, object]) -> None:
    feature = Feature.model_validate({"name": "x", "recourse": given})
    assert feature.recourse == Actionability.model_validate(given)
    assert Feature.model_validate_json(feature.model_dump_json()) == feature


def test_fields_of_a_newer_release_are_kept() -> None:
    assert Actionability.model_validate({"season": "winter"}).model_dump()["season"] == "winter"


def test_unknown_keys_are_errors_where_people_write_them() -> None:
    with pytest.raises(ValidationError, match="dirction"):
        ActionabilitySpec.model_validate({"dirction": "up"})


@pytest.mark.parametrize(
    ("recourse", "problem"),
    [
        ({"debt": {"min": 2, "max": 1}}, "min 2 is above max 1"),
        ({"debt": {"integer": True, "step": 0.5}}, "an integer cannot move in steps of 0.5"),
        ({"debt": {"allowed": ["none"]}}, "'allowed' goes with a category"),
        ({"job": {"min": 0}}, "'min' goes with a number"),
        ({"job": {"integer": True}}, "'integer' goes with a number"),
        ({"job": {"allowed": ["all"]}}, "'all' is not in its vocabulary"),
        ({"ratio": {"ratio_of": ["debt"]}}, "ratio_of takes two inputs"),
        ({"ratio": {"ratio_of": ["debt", "debt"]}}, "duplicate input of ratio_of 'debt'"),
        ({"ratio": {"ratio_of": ["debt", "job"]}}, "ratio_of names 'job', which is no number"),
        ({"ratio": {"ratio_of": ["debt", "wealth"]}}, "ratio_of names 'wealth', which is no number"),
        ({"ratio": {"ratio_of": ["debt", "income"], "sum_of": ["debt", "income"]}}, "give one of"),
        ({"ratio": {"ratio_of": ["debt", "income"], "step": 2}}, "leave out immutable"),
        (
            {"ratio": {"sum_of": ["debt", "income"]}, "debt": {"sum_of": ["ratio", "income"]}},
            "computed from each other",
        ),
    ],
)
def test_a_contradiction_is_refused(recourse: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        contract(**recourse)


def test_a_sensitive_feature_is_never_changed() -> None:
    with pytest.raises(ValidationError, match="a sensitive feature is never changed"):
        Feature.model_validate({"name": "sex", "sensitive": True, "recourse": {}})


def test_derived_inputs_come_after_their_parts() -> None:
    given = {"b": Actionability(sum_of=("a", "x")), "a": Actionability(ratio_of=("x", "y")), "x": Actionability()}
    assert derived_order(given) == ("a", "b")
