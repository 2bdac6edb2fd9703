"""Profiles as YAML: read strictly, stored, and written back."""

import pytest

from scoreline_registry.documents.documents import decode, encode
from scoreline_registry.errors import CorruptError, InvalidError
from scoreline_registry.profiles.aggregates import AGGREGATES
from scoreline_registry.profiles.feature import ProfileFeature
from scoreline_registry.profiles.profile import PROFILE_SCHEMA, Profile
from scoreline_registry.profiles.profile_file import read_profile, write_profile
from scoreline_registry.profiles.spec import default_keep, default_tile
from scoreline_registry.routing.durations import seconds_of
from tests.registry.profiles.samples import SPENDING, changed, profile

DAY = 86_400


def refused(text: str) -> str:
    with pytest.raises(InvalidError) as error:
        read_profile(text, source="spending.yaml")
    return "; ".join(error.value.problems)


def test_a_profile_is_stored_and_written_back_without_a_change() -> None:
    document = profile()
    assert decode(Profile, encode(document), key="documents/x.json", supported=PROFILE_SCHEMA) == document
    written = write_profile(document)
    assert read_profile(written, source="written") == document
    assert encode(read_profile(written, source="written")) == encode(document)


def test_durations_are_stored_as_seconds_with_their_defaults() -> None:
    document = profile()
    assert (document.lateness_seconds, document.future_seconds, document.keep_seconds) == (3600, 300, 400 * DAY)
    tiles = {feature.name: (feature.window_seconds, feature.tile_seconds) for feature in document.features}
    assert tiles["purchases_30d"] == (30 * DAY, DAY // 2)
    assert tiles["spent_30d"] == (30 * DAY, DAY)
    assert tiles["clicks"] == (None, None)
    assert document.by_name["clicks"].session_seconds == 1800
    assert document.by_name["seconds_since_click"].unit == "seconds"


def test_options_that_a_feature_does_not_have_are_not_stored_but_a_default_of_0_is() -> None:
    stored = ProfileFeature(name="clicks", aggregate="count", default=0).model_dump(mode="json")
    assert stored == {"name": "clicks", "aggregate": "count", "default": 0.0}


def test_fields_that_a_newer_scoreline_wrote_are_kept() -> None:
    raw = profile().model_dump(mode="json")
    raw["features"][0]["approximate"] = False
    raw["owner"] = "fraud"
    assert Profile.model_validate(raw).model_dump(mode="json") == raw


@pytest.mark.parametrize(
    ("window", "tile"),
    [("10s", "1s"), ("10m", "15s"), ("1h", "1m"), ("1d", "15m"), ("30d", "12h"), ("365d", "7d"), ("3660d", "28d")],
)
def test_the_default_tile_is_a_usual_part_of_the_window(window: str, tile: str) -> None:
    longest = 3660 * DAY
    assert default_tile(seconds_of(window, longest=longest)) == seconds_of(tile)


def test_an_entity_is_kept_as_long_as_any_feature_looks_back() -> None:
    def kept(*windows: int | None) -> int:
        return default_keep(
            tuple(
                ProfileFeature(name=f"f{index}", aggregate="count", window_seconds=each, tile_seconds=each and DAY)
                for index, each in enumerate(windows)
            )
        )

    assert kept(DAY) == 30 * DAY
    assert kept(DAY, 90 * DAY) == 91 * DAY
    assert kept(DAY, None) == 400 * DAY
    assert kept(None, 900 * DAY) == 901 * DAY


def test_kinds_and_event_types_follow_from_the_fields() -> None:
    document = profile()
    kinds = document.kinds
    assert (kinds["last_page"], kinds["last_dwell"], kinds["steps"]) == ("category", "number", "sequence")
    assert (kinds["referrers"], kinds["urgent"], kinds["amount_z"]) == ("neighbors", "number", "number")
    types = {feature.name: document.types_of(feature) for feature in document.features}
    assert types["purchases_30d"] == ("purchase",)
    assert types["spent_mean"] == ("purchase", "refund")
    assert types["age_days"] == ("click", "purchase", "referral", "refund")
    assert types["steps"] == ("purchase",)
    assert types["urgent"] == ()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "aggregate: share",
            "aggregate: shar",
            "features.food_share.aggregate: unknown aggregate 'shar'; did you mean",
        ),
        ("events: purchase, field: amount, window: 30d", "window: 30d", "'sum' needs the option 'field'"),
        ("aggregate: hour_rarity,", "aggregate: hour_rarity, field: amount,", "has no option 'field'; it has default,"),
        ("window: 30d, tile: 1d", "window: 30d, tile: 31d", "the tile of 31d is longer than the window of 30d"),
        ("window: 30d, tile: 1d", "window: 30d, tile: 1h", "more than 512 tiles: take a tile of at least 85m"),
        ("window: 30d, tile: 1d", "tile: 1d", "write both 'window' and 'tile', or neither"),
        ("half_life: 7d", "half_life: 7d, window: 7d", "'window' and 'half_life' limit how far it looks back"),
        (
            "last, events: click, field",
            "last, events: clik, field",
            "features.last_page: unknown event type 'clik'; did you mean 'click'",
        ),
        (
            "field: amount, half_life",
            "field: amout, half_life",
            "'purchase' has no field 'amout'; did you mean 'amount'?",
        ),
        ("{aggregate: last, field: dwell}", "{aggregate: last, field: dwel}", "no event type has the field 'dwel'"),
        (
            "field: page, window",
            "field: dwell, window",
            "'dwell' of 'click' is a number; the aggregate 'distinct' takes",
        ),
        (
            "mean, field: amount",
            "mean, field: page",
            "'page' of 'click' is a category; the aggregate 'mean' takes a number",
        ),
        ("{amount: number}", "{amount: category}", "'amount' is a category and a number in different event types"),
        ("{category: {in", "{categry: {in", "where: none of its event types has the field 'categry'; did you mean"),
        ("[food, wine]", "[food, 7]", "where: category is a category: 'in' compares it with texts only"),
        ("{gt: 100}", "{gt: much}", "when: event.cart is a number: 'gt' compares it with numbers only"),
        ("{in: [food, wine]}", "{is: food}", "there is no operator 'is'"),
        ("of: event.amount", "of: event.amout", "no event type has the field 'amout'; did you mean 'amount'?"),
        ("of: event.amount", "of: event.page", "the field 'page' is a category; write the name of a number"),
        ("of: event.amount", "of: last_page", "'last_page' is a category; write the name of a number"),
        ("of: event.amount", "of: per_click", "features.per_click: 'per_click' refers to itself"),
        ("{seconds_since_click: {lt: 5}", "{per_click: {lt: 5}", "it refers to 'per_click', which is defined after it"),
        (
            "{seconds_since_click: {lt: 5}",
            "{second_since_click: {lt: 5}",
            "no feature of this profile; did you mean 'seconds_since_click'",
        ),
        ("of: event.amount", "of: steps", "'steps' is a sequence; write the name of a number"),
        (
            "most: 8, features: [purchases_30d",
            "most: 8, features: [amount_z",
            "refers to 'amount_z', which is defined after it",
        ),
        ("[amount, category, since", "[amount, amount, since", "duplicate field 'amount'"),
        ("[amount, category, since", "[amount, page, since", "none of its event types has the field 'page'"),
        ("length: 20", "length: 513", "features.steps.length: Input should be less than or equal to 512"),
        ("default: 0.5", "default: half", "features.method_risk: default: 'half' is not a number"),
        ("default: home", "default: 1", "features.last_page: default: 1.0 is not a category"),
        ("keep: 400d", "keep: 90d", "keep: 90d is shorter than the 91d that 'spent_mean' looks back"),
        ("lateness: 1h", "lateness: 1 hour", "lateness: write a duration as a whole number with its unit"),
        ("keep: 400d", "keep: 4000d", "keep: a duration is between 1s and 3660d"),
        (
            "amount: number, category",
            "amount: numer, category",
            "events.purchase.fields.amount: Input should be 'number'",
        ),
        ("{referrer: entity}", "{any: entity}", "'any' is reserved"),
        ("{referrer: entity}", "{since_previous_seconds: number}", "'since_previous_seconds' is a column of sequences"),
        ("urgent:", "event.urgent:", "'event.urgent' is reserved"),
        ("urgent:", "per_click:", "duplicate key 'per_click'"),
        ("profile: spending", "profile: Spending", "profile 'Spending' is not a valid name"),
        ("window: 7d}", "windw: 7d}", "features.pages: unknown key 'windw'; did you mean 'window'?"),
        ("timezone_offset_minutes: 60", "timezone_offset_minutes: 900", "less than or equal to 840"),
    ],
)
def test_a_wrong_definition_is_one_clear_error(old: str, new: str, problem: str) -> None:
    assert problem in refused(changed(old, new))


def test_too_many_features_are_one_clear_error() -> None:
    features = "\n".join(f"  f{place}: {{aggregate: count}}" for place in range(5_000))
    text = f"profile: p\nevents: {{visit: {{}}}}\nfeatures:\n{features}\n"
    assert refused(text) == "features: a profile has at most 512 features, this one has 5,000"


def test_neighbors_have_no_event_at_hand() -> None:
    text = changed(
        "  amount_z:", "  others: {aggregate: neighbors, field: referrer, most: 8, features: [ratio_z]}\n  amount_z:"
    )
    text = changed("  amount_z: {", "  z: {", text)
    moved = changed(
        "  others:",
        "  z_of: {aggregate: z_score, events: purchase, field: amount}\n"
        "  ratio_z: {aggregate: ratio, of: z_of, to: 2}\n  others:",
        text,
    )
    assert "'ratio_z' compares an event at hand, which neighbors do not have" in refused(moved)


def test_features_that_refer_to_each_other_are_refused() -> None:
    text = (
        "profile: p\nevents: {visit: {fields: {whom: entity}}}\nfeatures:\n"
        "  a: {aggregate: ratio, of: b, to: a}\n  b: {aggregate: ratio, of: a, to: 2}\n"
        "  friends: {aggregate: neighbors, field: whom, most: 2, features: [b]}\n"
    )
    assert refused(text) == (
        "features.a: it refers to 'b', which is defined after it: move 'b' above it; features.a: 'a' refers to itself"
    )


def test_everything_wrong_is_reported_at_once() -> None:
    text = changed(
        "last, events: click, field", "last, events: clik, field", changed("of: event.amount", "of: nothing")
    )
    problems = refused(text)
    assert "features.last_page" in problems
    assert "features.per_click" in problems


def test_a_text_that_is_no_profile_is_refused() -> None:
    assert refused("- 1") == "a profile is a mapping with the keys profile, events and features"
    assert "features: is missing: write at least" in refused("profile: spending\nevents: {click: {}}")


def test_a_stored_profile_whose_parts_do_not_fit_is_damaged() -> None:
    data = encode(profile()).replace(b'"field":"dwell"', b'"field":"dwel"')
    with pytest.raises(CorruptError, match=r"features\.last_dwell: no event type has the field 'dwel'"):
        decode(Profile, data, key="documents/x.json", supported=PROFILE_SCHEMA)


def test_a_stored_profile_has_each_feature_once() -> None:
    document = profile()
    twice = document.model_dump(mode="json") | {"features": [{"name": "n", "aggregate": "count"}] * 2}
    with pytest.raises(ValueError, match="duplicate feature 'n'"):
        Profile.model_validate(twice)


def test_the_sample_has_every_aggregate_but_those_of_other_tests() -> None:
    others = {"hour", "max", "min", "std", "weekday"}
    assert set(AGGREGATES) - {feature.aggregate for feature in profile(SPENDING).features} == others
