"""The packaged profiles: each is read as it is, and has what its description promises."""

import pytest

from scoreline_registry.profiles.packaged import packaged_profiles
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.profile_file import read_profile, write_profile

NAMES = ("card-customer", "card-terminal", "rfm", "session-urgency", "spending-guardian", "subscriber")


def packaged(name: str) -> Profile:
    return read_profile(packaged_profiles()[name].read_text("utf-8"), source=name)


def test_every_packaged_profile_is_known() -> None:
    assert tuple(packaged_profiles()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_packaged_profile_has_the_name_of_its_file_and_can_be_written_again(name: str) -> None:
    profile = packaged(name)
    assert profile.profile == name
    assert profile.description
    assert read_profile(write_profile(profile), source=name) == profile


@pytest.mark.parametrize(
    ("name", "aggregates"),
    [
        (
            "spending-guardian",
            {"amount_z": "z_score", "category_rarity": "rarity", "hour_rarity": "hour_rarity", "method_risk": "lookup"},
        ),
        ("session-urgency", {"urgent": "flag", "clicks_per_minute": "rate", "page_engagement": "mean"}),
        ("subscriber", {"age_days": "time_since_first", "clicks_7d": "count", "friends": "neighbors"}),
        ("rfm", {"recency_days": "time_since_last", "frequency": "count", "monetary": "mean"}),
    ],
)
def test_the_features_that_a_packaged_profile_is_for_are_there(name: str, aggregates: dict[str, str]) -> None:
    features = packaged(name).by_name
    assert {feature: features[feature].aggregate for feature in aggregates} == aggregates


def test_urgency_is_a_quick_click_with_a_full_cart() -> None:
    urgent = packaged("session-urgency").by_name["urgent"]
    assert urgent.when == {"seconds_since_click": {"lt": 5}, "event.cart": {"gt": 100}}
