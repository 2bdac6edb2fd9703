"""The digest of a feature changes with all that changes its values, and with nothing else."""

import pytest

from scoreline_registry.profiles.digests import feature_digests
from scoreline_registry.profiles.profile_file import read_profile, write_profile
from tests.registry.profiles.samples import SPENDING, changed, profile


def differing(old: str, new: str, text: str = SPENDING) -> set[str]:
    """The features whose digest changes with one part of a profile."""
    before, after = feature_digests(profile(text)), feature_digests(profile(changed(old, new, text)))
    return {name for name in before if after.get(name) != before[name]}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("description: What is known of each customer.", "description: Another text."),
        ("lateness: 1h", "lateness: 2h\nfuture: 1m"),
        ("keep: 400d", "keep: 500d"),
        ("{aggregate: last, field: dwell}", "{aggregate: last, field: dwell, description: How long.}"),
        ("  steps:", "  more: {aggregate: count}\n  steps:"),
        ("{referrer: entity}", "{referrer: entity, code: category}"),
        ("method: category}", "method: category, note: category}"),
        ("events: purchase, window: 30d}", "events: purchase, window: 30d, tile: 12h}"),
    ],
)
def test_what_changes_no_value_changes_no_digest(old: str, new: str) -> None:
    assert differing(old, new) == set()


@pytest.mark.parametrize(
    ("old", "new", "features"),
    [
        ("field: amount, window: 30d, tile: 1d", "field: amount, window: 31d, tile: 1d", {"spent_30d", "referrers"}),
        ("field: amount, window: 30d, tile: 1d", "field: amount, window: 30d, tile: 6h", {"spent_30d", "referrers"}),
        ("[food, wine]", "[food]", {"food_share"}),
        ("half_life: 7d", "half_life: 8d", {"spent_recently"}),
        ("card: 0.1", "card: 0.2", {"method_risk"}),
        ("default: home", "default: start", {"last_page", "urgent"}),
        ("length: 20", "length: 21", {"steps"}),
        ("{lt: 5}", "{lt: 6}", {"urgent"}),
        ("offset_minutes: 60", "offset_minutes: 0", {"hour_rarity"}),
        ("events: click, session: 30m}", "events: click, session: 20m}", {"clicks", "per_click"}),
        ("refund: {fields: {amount: number}}", "refund: {fields: {total: number}}", {"spent_mean", "per_click"}),
        ("  referral: {", "  visit: {}\n  referral: {", {"age_days", "clicks", "clicks_per_minute", "per_click"}),
        ("referrer: entity", "referrer: entity, category: category", {"category_rarity", "is_new_category"}),
    ],
)
def test_what_changes_values_changes_the_digests_of_those_features(old: str, new: str, features: set[str]) -> None:
    text = SPENDING.replace("events: [purchase, refund], field: amount", "events: purchase, field: amount")
    assert differing(old, new, text) == features


def test_the_kind_of_a_field_is_part_of_the_digest() -> None:
    text = (
        "profile: p\nevents: {click: {fields: {page: category}}}\nfeatures: {pages: {aggregate: distinct, field: page}}"
    )
    digests = [feature_digests(profile(each)) for each in (text, changed("{page: category}", "{page: entity}", text))]
    assert digests[0]["pages"] != digests[1]["pages"]


def test_what_is_written_back_has_the_same_digests() -> None:
    again = read_profile(write_profile(profile()), source="written")
    assert feature_digests(again) == feature_digests(profile())


def test_features_of_one_definition_have_one_digest_whatever_their_names() -> None:
    text = "profile: p\nevents: {click: {}}\nfeatures: {a: {aggregate: count}, b: {aggregate: count, description: B}}"
    digests = feature_digests(profile(text))
    assert digests["a"] == digests["b"]
