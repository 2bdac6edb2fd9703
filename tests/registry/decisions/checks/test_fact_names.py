"""The facts that cases of a route have, and those that every case has."""

from scoreline_registry.decisions.checks.fact_names import choices, decided_cases, is_known, known_facts
from scoreline_registry.documents.contract import Band, Feature, InputContract
from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.routing.planning import next_document, written_schema
from scoreline_registry.routing.route import RouteDocument
from tests.registry.decisions.policy_samples import PROFILE, features, route, scorer

SPENDING = read_profile(PROFILE, source="profile")


def document(**changes: object) -> RouteDocument:
    spec = route(**changes)
    return next_document(spec, schema=written_schema(spec.input_schema), before=None)


def facts_of(*manifests: Manifest, **changes: object) -> dict[str, str]:
    return dict(known_facts(document(**changes), {"spending": SPENDING}, manifests, flags=["adversarial"]))


def test_facts_are_those_of_scores_inputs_profiles_and_flags() -> None:
    assert facts_of(scorer("amount", "fee", "merchant")) == {
        "score": "number",
        "band": "category",
        "points": "number",
        "hour": "number",
        "weekday": "category",
        "extra.attack_score": "number",
        "feature.amount": "number",
        "feature.fee": "number",
        "feature.merchant": "category",
        "profile.spending.spent_30d": "number",
        "profile.spending.last_merchant": "category",
        "event.amount": "number",
        "event.merchant": "category",
        "flag.profile_new": "flag",
        "flag.profile_unreachable": "flag",
        "flag.fallback": "flag",
        "flag.adversarial": "flag",
    }


def test_a_route_without_profiles_knows_none() -> None:
    names = facts_of(scorer("amount"), profiles={})
    assert not [name for name in names if name.startswith(("profile.", "event."))]


def test_what_any_arm_gives_is_known() -> None:
    plain = scorer("amount", bands=(), points=None, extras=())
    detecting = scorer("amount", bands=(), points=None, extras=("class_probabilities", "novelty"))
    assert {"extra.novelty"} == {name for name in facts_of(plain, detecting) if name.startswith("extra.")}
    assert not {"band", "points"} & facts_of(plain).keys()


def test_any_key_of_the_context_is_known() -> None:
    assert is_known("context.segment", {})
    assert not is_known("context.", {})
    assert not is_known("segment", {})


def test_bands_of_all_arms_and_days_have_fixed_names() -> None:
    other = scorer("amount", bands=(Band(name="middle", from_score=0.4),))
    allowed = choices([scorer("amount"), other])
    assert allowed["band"] == ("low", "high", "middle")
    assert allowed["weekday"][5] == "saturday"
    assert "band" not in choices([scorer("amount", bands=())])


def sure_of(*manifests: Manifest) -> frozenset[str]:
    arms = {f"impulse@{place}": each for place, each in enumerate(manifests, start=1)}
    decided = document(rules=[{"split": dict.fromkeys(arms, 100 / len(arms))}])
    return decided_cases(decided, {"spending": SPENDING}, arms.__getitem__).sure


def test_every_case_has_what_all_arms_give_or_require() -> None:
    always = {"score", "hour", "weekday", "flag.profile_new", "flag.profile_unreachable", "flag.fallback"}
    assert sure_of(scorer("amount", "merchant")) == {*always, "feature.amount", "band", "points", "extra.attack_score"}
    assert sure_of(scorer("amount"), scorer("amount", "fee", points=None, extras=())) == {
        *always,
        "feature.amount",
        "band",
    }


def test_a_score_below_the_first_band_has_none() -> None:
    assert "band" not in sure_of(scorer("amount", bands=(Band(name="high", from_score=0.5),)))
    assert "band" not in sure_of(scorer("amount", kind="value", points=None))


def test_an_input_that_callers_do_not_send_is_no_fact() -> None:
    unsent = Manifest.model_validate(
        scorer("amount").model_dump(mode="json")
        | {"inputs": InputContract(features=(*features("amount"), Feature(name="age"))).model_dump(mode="json")}
    )
    assert "feature.age" not in facts_of(unsent)
    assert "feature.age" not in sure_of(unsent)
