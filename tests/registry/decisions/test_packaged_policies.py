"""The packaged policies: each can be applied to a route that it is made for, and says what its description promises."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from scoreline_registry.decisions.packaged import packaged_policies
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.specs.policy_file import policy_of, read_policy, write_policy
from scoreline_registry.documents.contract import Feature, InputContract, ScoreContract
from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.errors import RefusedError
from scoreline_registry.profiles.packaged import packaged_profiles
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_registry.storage import MemoryStorage
from tests.registry.samples import MODEL_BYTES, MOMENT

OFFERS = ("none", "discount_10", "upgrade")
PLANS = ("basic", "plus", "family")


def numbers(*names: str, required: bool = True) -> tuple[Feature, ...]:
    return tuple(Feature(name=name, required=required) for name in names)


def category(name: str, *vocabulary: str, required: bool = True) -> Feature:
    return Feature(name=name, kind="category", vocabulary=vocabulary, required=required)


ROUTES: Mapping[str, tuple[str, Sequence[Feature]]] = {
    "churn": ("churn", (*numbers("age", "monthly_fee"), category("plan", *PLANS), category("offer", *OFFERS))),
    "credit-early-warning": ("early-warning", numbers("age", "exposure")),
    "guardian": ("guardian", (*numbers("amount"), *numbers("amount_mean_90d", "amount_z", required=False))),
    "propensity-offers": (
        "propensity",
        (*numbers("avg_basket", required=False), category("region", "north", "south", required=False)),
    ),
}


def registry_with_route(name: str, *, extras: Sequence[str] = ("anomaly_score", "anomaly_flag")) -> Registry:
    """A registry with the route that a packaged policy is made for."""
    route, features = ROUTES[name]
    registry = Registry.create(MemoryStorage())
    manifest = Manifest(
        family="lightgbm",
        inputs=InputContract(features=tuple(features)),
        score=ScoreContract(meaning="a probability", extras=tuple(extras)),
        created_at=MOMENT,
    )
    files = {"model.onnx": MODEL_BYTES, "golden.npz": b"golden"}
    registry.publish(route, files=files, manifest=manifest, author="ann", message="first", aliases=("champion",))
    written: dict[str, Any] = {
        "route": route,
        "schema": {"like": f"{route}@champion"},
        "rules": [{"split": {f"{route}@champion": 100}}],
    }
    if name == "guardian":
        text = packaged_profiles()["spending-guardian"].read_text("utf-8")
        registry.apply_profile(read_profile(text, source="spending-guardian"), author="ann", message="habits")
        written["profiles"] = {"spending-guardian": {}}
    registry.apply_route(RouteSpec.model_validate(written), author="ann", message="route")
    return registry


def packaged(name: str) -> Policy:
    return policy_of(packaged_policies()[name].read_text("utf-8"), source=name)


def test_every_packaged_policy_is_known() -> None:
    assert tuple(packaged_policies()) == tuple(ROUTES)


@pytest.mark.parametrize("name", ROUTES)
def test_a_packaged_policy_has_the_name_of_its_file_and_can_be_written_again(name: str) -> None:
    policy = packaged(name)
    assert (policy.policy, policy.route) == (name, ROUTES[name][0])
    assert policy.description
    assert policy_of(write_policy(policy), source=name) == policy


@pytest.mark.parametrize("name", ROUTES)
def test_a_packaged_policy_is_applied_without_a_warning(name: str) -> None:
    registry = registry_with_route(name)
    spec = read_policy(packaged_policies()[name].read_text("utf-8"), source=name)
    plan = registry.apply_policy(spec, author="ann", message="packaged")
    assert plan.revision is not None
    assert plan.warnings == ()


@pytest.mark.parametrize("name", ROUTES)
def test_a_packaged_policy_has_a_control_and_messages_in_several_languages(name: str) -> None:
    policy = packaged(name)
    assert policy.control_millionths > 0
    for messages in policy.messages.values():
        assert {"en", "de"} <= {template.language for template in messages.templates("any")}


def test_the_flag_of_attacks_needs_an_arm_with_the_output() -> None:
    registry = registry_with_route("churn", extras=())
    spec = read_policy(packaged_policies()["churn"].read_text("utf-8"), source="churn")
    with pytest.raises(RefusedError, match="anomaly_flag"):
        registry.apply_policy(spec, author="ann", message="packaged")
