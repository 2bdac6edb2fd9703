"""Routes that read profiles: written, stored, checked, and checked again when a profile or an alias changes."""

from collections.abc import Mapping
from typing import Any

import pytest

from scoreline_registry.documents.contract import Feature, SequenceContract
from scoreline_registry.documents.documents import decode, encode
from scoreline_registry.documents.manifest import TrainingFacts
from scoreline_registry.errors import InvalidError, RefusedError, SchemaVersionError
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.history.profile_changes import RemoveProfile
from scoreline_registry.history.rollback import RollbackProfile
from scoreline_registry.profiles.digests import feature_digests
from scoreline_registry.profiles.route_inputs import profile_reads
from scoreline_registry.registry import Registry
from scoreline_registry.routing.profile_inputs import ProfileInputs
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.route_file import read_route, write_route
from scoreline_registry.storage import MemoryStorage
from scoreline_registry.upkeep.verification import verify
from scoreline_registry.versions.route_snapshot import freeze
from tests.registry.history.test_rollback import signed
from tests.registry.profiles.samples import SPENDING, changed, profile
from tests.registry.samples import manifest

ROUTE = """\
route: spending
schema:
  features: {amount: number, spent_30d: number, last_page: category, income: number}
  sequence: {features: [amount, category], max_length: 20, vocabularies: {category: [food, wine]}}
  neighbors: {features: [spent_30d], max_neighbors: 8}
rules:
  - when: {profile.age_days: {lt: 7}, profile.last_page: {eq: cart}}
    split: {guardian@1: 100}
  - split: {guardian@champion: 100}
profiles:
  spending: {sequence: steps, neighbors: referrers}
"""
COUNTING = """\
profile: counting
events: {click: {fields: {page: entity}}}
features: {clicks: {aggregate: count}, spent_30d: {aggregate: rate, per: hour}, age_days: {aggregate: count}}
"""
DIGESTS = feature_digests(profile())


def trained(recorded: Mapping[str, Mapping[str, str]]) -> TrainingFacts:
    return TrainingFacts.model_validate({"rows": 9, "seconds": 1, "profiles": recorded})


def publish(registry: Registry, recorded: Mapping[str, str] | None = None, **aliases: Any) -> None:
    """A version that takes ``amount``, ``spent_30d`` and steps, and records these digests of profile features."""
    steps = SequenceContract(features=("amount",), max_length=20)
    facts = manifest(Feature(name="amount"), Feature(name="spent_30d"), sequence=steps)
    facts = facts.model_copy(update={"training": trained({"spending": recorded} if recorded else {})})
    registry.publish("guardian", files={"model.onnx": b"m"}, manifest=facts, author="ann", message="", **aliases)


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """The profile, a model that was trained on it, and the route."""
    registry.apply_profile(profile(), **signed())
    publish(registry, {name: DIGESTS[name] for name in ("spent_30d", "steps", "hour_rarity")}, aliases=["champion"])
    route(registry)
    return registry


def route(registry: Registry, text: str = ROUTE) -> tuple[str, ...]:
    """Applies the route and returns its warnings."""
    return registry.apply_route(read_route(text, source="spending.yaml"), **signed()).warnings


def refused(registry: Registry, old: str, new: str) -> tuple[str, ...]:
    with pytest.raises(RefusedError) as error:
        route(registry, changed(old, new, ROUTE))
    return error.value.problems


def test_a_profile_without_options_gives_every_feature_of_the_schema() -> None:
    options = "{sequence: steps, neighbors: referrers}"
    empty, none = (read_route(changed(options, text, ROUTE), source="spending.yaml") for text in ("{}", ""))
    assert none.profiles == empty.profiles
    assert none.profiles["spending"].document == ProfileInputs()


def test_a_route_with_profiles_is_stored_and_written_back(filled: Registry) -> None:
    document = filled.latest().routes["spending"]
    assert document.schema_number == 3
    assert decode(RouteDocument, encode(document), key="k", supported=3) == document
    with pytest.raises(SchemaVersionError):
        decode(RouteDocument, encode(document), key="k", supported=2)
    again = filled.plan_route(read_route(write_route(document), source="written"))
    assert (again.differences, again.changes_anything) == ((), False)


def test_a_route_without_profiles_keeps_its_bytes_and_schema(filled: Registry) -> None:
    plain = ROUTE.partition("profiles:")[0]
    filled.apply_route(read_route(plain, source="plain"), **signed())
    document = filled.latest().routes["spending"]
    assert document.schema_number == 1
    assert b"profiles" not in encode(document)


def test_what_a_route_reads_follows_from_its_schema(filled: Registry) -> None:
    snapshot = filled.latest()
    [reads] = profile_reads(snapshot.routes["spending"], snapshot.profiles)
    assert (reads.profile, reads.features, reads.event_fields) == ("spending", ("spent_30d", "last_page"), ("amount",))
    assert (reads.sequence, reads.neighbors, reads.facts) == ("steps", "referrers", ("age_days", "last_page"))
    route(filled, changed("{sequence: steps,", "{features: [last_page], sequence: steps,", ROUTE))
    [fewer] = profile_reads(filled.latest().routes["spending"], filled.latest().profiles)
    assert fewer.features == ("last_page",)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("  spending: {seq", "  spendings: {seq", "profiles: unknown profile 'spendings'; did you mean 'spending'?"),
        ("{sequence: steps", "{features: [spend], sequence: steps", "it has no feature 'spend'; did you mean"),
        ("{sequence: steps", "{features: [amount_z], sequence: steps", "the route's schema has no feature 'amount_z'"),
        (
            "last_page: category",
            "last_page: number",
            "its feature 'last_page' is a category, the route's schema has a n",
        ),
        (
            "{amount: number",
            "{amount: category",
            "the field 'amount' of its events is a number, the route's schema has a c",
        ),
        ("sequence: steps", "sequence: spent_30d", "sequence: 'spent_30d' is no feature of the kind sequence"),
        ("referrers}", "steps}", "neighbors: 'steps' is no feature of the kind neighbors; there are referrers"),
        ("[amount, category]", "[amount, method, category]", "'steps' has no step feature 'method'; there are amount"),
        (
            ", vocabularies: {category: [food, wine]}",
            "",
            "'category' of 'steps' is a category, the route's schema has a n",
        ),
        ("max_length: 20", "max_length: 19", "sequence: 'steps' has up to 20 steps, the route's schema takes 19"),
        (
            "[spent_30d], max",
            "[spent_mean], max",
            "'referrers' has no neighbor feature 'spent_mean'; did you mean 'spent_30d'?",
        ),
        (
            "max_neighbors: 8",
            "max_neighbors: 7",
            "neighbors: 'referrers' has up to 8 neighbors, the route's schema takes 7",
        ),
        (
            "profile.age_days",
            "profile.age_day",
            "no profile of the route has the feature 'age_day'; did you mean 'age_d",
        ),
        ("{eq: cart}", "{eq: 3}", "rule 1: profile.last_page is a category: 'eq' compares it with texts only"),
        ("profile.age_days", "profile.steps", "no profile of the route has the feature 'steps'"),
    ],
)
def test_what_does_not_fit_is_refused(filled: Registry, old: str, new: str, problem: str) -> None:
    assert any(problem in each for each in refused(filled, old, new)), refused(filled, old, new)


def test_a_schema_without_a_sequence_takes_none(filled: Registry) -> None:
    text = ROUTE.replace("  neighbors: {features: [spent_30d], max_neighbors: 8}\n", "")
    with pytest.raises(RefusedError, match="neighbors: the route's schema has none"):
        route(filled, text)


def test_an_entity_of_an_event_fills_a_category(filled: Registry) -> None:
    text = changed("income: number", "referrer: category", ROUTE)
    route(filled, text)
    [reads] = profile_reads(filled.latest().routes["spending"], filled.latest().profiles)
    assert reads.event_fields == ("amount", "referrer")


def test_two_profiles_give_different_things(filled: Registry) -> None:
    filled.apply_profile(profile(COUNTING), **signed())
    both = changed("  spending: {seq", "  counting: {}\n  spending: {seq", ROUTE)
    with pytest.raises(RefusedError, match="counting and spending both give 'spent_30d': name what to take from each"):
        route(filled, both)
    with pytest.raises(RefusedError, match="age_days is a feature of the profiles counting and spending"):
        route(filled, changed("counting: {}", "counting: {features: []}", both))
    one = changed("profile.age_days: {lt: 7}, ", "", changed("counting: {}", "counting: {features: []}", both))
    route(filled, one)


def test_a_route_is_written_strictly() -> None:
    for old, new, problem in (
        ("{sequence: steps", "{sequenc: steps", "unknown key 'sequenc'; did you mean 'sequence'?"),
        ("{sequence: steps", "{features: [a, a], sequence: steps", "duplicate feature 'a'"),
        ("  spending: {seq", "  Spending: {seq", "profile 'Spending' is not a valid name"),
    ):
        with pytest.raises(InvalidError, match=problem.replace("?", r"\?")):
            read_route(changed(old, new, ROUTE), source="x")


def test_a_required_feature_that_entities_without_events_lack_is_a_warning(filled: Registry) -> None:
    required = [Feature(name=name, required=True) for name in ("spent_mean", "purchases_30d", "method_risk", "income")]
    filled.publish("strict", files={"model.onnx": b"m"}, manifest=manifest(*required), author="ann", message="")
    warnings = route(
        filled,
        "route: strict\nschema: {like: strict@1}\nrules: [{split: {strict@1: 100}}]\nprofiles: {spending: {}}\n",
    )
    (warning,) = (text for text in warnings if "requires" in text)
    assert warning == (
        "strict@1: it requires spent_mean, which profile spending lacks for entities without events: they are not "
        "scored unless their callers send it; give it a default in the profile"
    )


def test_the_history_says_what_a_route_reads(filled: Registry) -> None:
    plan = filled.plan_route(read_route(ROUTE.partition("profiles:")[0], source="plain"))
    before = "every feature of the schema; the sequence steps; the neighbors referrers"
    assert plan.differences == (f"profile spending: removed (was {before})",)
    unnamed = "it was trained on features of profile spending, which the route does not name: callers must send them"
    unsent = "which callers must send: the route has no section `profiles`"
    assert plan.warnings == (
        f"rule conditions name profile.age_days, {unsent}",
        f"rule conditions name profile.last_page, {unsent}",
        f"guardian@1: {unnamed}",
        f"guardian@champion: {unnamed}",
    )


def test_a_profile_that_computes_otherwise_than_a_model_was_trained_on_is_refused(filled: Registry) -> None:
    text = changed("field: amount, window: 30d, tile: 1d", "field: amount, window: 60d, tile: 1d")
    with pytest.raises(RefusedError) as error:
        filled.apply_profile(profile(text), **signed())
    now = feature_digests(profile(text))["spent_30d"]
    assert error.value.problems == tuple(
        f"route spending: {ref} was trained on other values of 'spent_30d' than profile 'spending' computes now "
        f"(digest {DIGESTS['spent_30d'][:12]} then, {now[:12]} now): train it again, or restore the feature"
        for ref in ("guardian@1", "guardian@champion")
    )
    with pytest.raises(RefusedError):
        filled.plan_profile(profile(text))


def test_features_that_no_model_of_a_route_takes_may_change(filled: Registry) -> None:
    plan = filled.apply_profile(profile(changed("half_life: 7d", "half_life: 9d")), **signed())
    assert plan.routes == ("spending",)
    filled.apply_profile(profile(changed("offset_minutes: 60", "offset_minutes: 0")), **signed())


def test_a_feature_that_a_model_was_trained_on_stays(filled: Registry) -> None:
    plain = changed("  neighbors: {features: [spent_30d], max_neighbors: 8}\n", "", ROUTE)
    route(filled, changed(", neighbors: referrers", "", plain))
    text = SPENDING.replace("spent_30d", "spent_month")
    with pytest.raises(
        RefusedError, match="was trained on the feature 'spent_30d' of profile 'spending', which it lacks"
    ):
        filled.apply_profile(profile(text), **signed())


def test_a_moved_alias_is_checked_against_the_profile(filled: Registry) -> None:
    publish(filled, {"steps": "0" * 64})
    with pytest.raises(RefusedError, match="guardian@champion was trained on other values of 'steps'"):
        filled.commit(SetAlias("guardian", "champion", 2), **signed())


def test_a_model_that_records_no_profile_is_a_warning(filled: Registry) -> None:
    publish(filled)
    filled.commit(SetAlias("guardian", "champion", 2), **signed())
    assert route(filled, ROUTE + "holdout: 5\n") == (
        "guardian@champion: it does not record that it was trained on spent_30d, steps of profile spending",
    )


def test_a_profile_in_use_is_not_removed(filled: Registry) -> None:
    with pytest.raises(RefusedError, match="route spending uses it: change the route first"):
        filled.commit(RemoveProfile("spending"), **signed())
    filled.apply_route(read_route(ROUTE.partition("profiles:")[0], source="plain"), **signed())
    filled.commit(RemoveProfile("spending"), **signed())


def test_a_rollback_of_a_profile_is_checked_against_the_routes(registry: Registry) -> None:
    registry.apply_profile(profile(changed("{referrer: entity}", "{referrer: entity, code: category}")), **signed())
    text = changed("field: amount, window: 30d, tile: 1d", "field: amount, window: 60d, tile: 1d")
    registry.apply_profile(profile(text), **signed())
    publish(registry, {"spent_30d": feature_digests(profile(text))["spent_30d"]}, aliases=["champion"])
    route(registry)
    with pytest.raises(RefusedError, match="was trained on other values of 'spent_30d'"):
        registry.commit(RollbackProfile("spending", registry.at(1)), **signed())


def test_a_frozen_copy_of_a_route_has_its_profiles(filled: Registry) -> None:
    filled.apply_profile(profile(COUNTING), **signed())
    target = MemoryStorage()
    freeze(filled, "spending", target)
    copy = Registry.open(target).latest()
    assert dict(copy.profiles) == {"spending": profile()}
    assert copy.profile_digests["spending"] == filled.latest().profile_digests["spending"]
    assert verify(target).findings == []
