"""Validates a policy against the route that it decides for; each error is one line. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from scoreline_registry.decisions.actions import Effect
from scoreline_registry.decisions.checks.fact_names import DecidedCases, choices, decided_cases, is_known
from scoreline_registry.decisions.checks.parts import amounts_of, conditions_of
from scoreline_registry.decisions.checks.reachability import symbolic
from scoreline_registry.decisions.cuts import AdaptiveCut
from scoreline_registry.decisions.facts import FEATURE, FLAG, HOUR, SCORE
from scoreline_registry.decisions.messages.library import require_library
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.policy_conditions import condition_with_cuts, cut_names
from scoreline_registry.documents.actionability import check_actionability
from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.errors import NotFoundError, RefusedError
from scoreline_registry.names import hint
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.validation import operand_errors
from scoreline_registry.routing.conditions import All, AnyOf, Condition, Test, tests_of
from scoreline_registry.routing.dead_rules import never_matches
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.route_validation import contract_errors, routable

ManifestOf = Callable[[str], Manifest]
_BETWEEN = {
    SCORE: (0.0, 1.0, "scores of the route are probabilities, from 0 to 1"),
    HOUR: (0.0, 23.0, "hours are from 0 to 23"),
}


def policy_errors(
    policy: Policy,
    routes: Mapping[str, RouteDocument],
    profiles: Mapping[str, Profile],
    manifest_of: ManifestOf,
) -> list[str]:
    """The errors for which a policy cannot decide for its route; empty when it can.

    ``manifest_of`` gives the manifest behind a reference; it raises NotFoundError, and RefusedError for a version that
    must not be used. Errors of the route's own references are the route's.
    """
    if policy.route not in routes:
        return [f"route: unknown route {policy.route!r}; {hint(policy.route, routes, 'route')}"]
    route = routes[policy.route]
    cases = decided_cases(route, profiles, manifest_of, flags=[*policy.flags])
    checks = (_condition_errors, _amount_errors, _cut_errors, _intervention_errors, _recourse_errors)
    errors = [error for check in checks for error in check(policy, cases)]
    errors += _uplift_errors(policy, route, manifest_of)
    return [*errors, *_message_errors(policy, cases)]


def policy_warnings(
    policy: Policy, route: RouteDocument, profiles: Mapping[str, Profile], manifest_of: ManifestOf
) -> list[str]:
    """What is allowed and likely to be a mistake, in a policy without errors."""
    cases = decided_cases(route, profiles, manifest_of, flags=[*policy.flags])
    sure = cases.sure
    warnings = [*_of_sensitive_inputs(policy, cases.manifests)]
    if _falls_together(policy, route):
        warnings.append("salt: it is the route's, so strategies fall on the same units as arms: choose another")
    for name, action in policy.actions.items():
        unsure = [
            f"{part}, {amount.fact}," for part, amount in (("cost", action.cost), ("benefit", action.benefit))
            if amount.fact is not None and amount.default is None and amount.fact not in sure
        ]  # fmt: skip
        if unsure:
            text = f"cases whose {' or '.join(unsure)} is missing do not get it by its value: write a `default`"
            warnings.append(f"actions.{name}: {text}")
    return warnings


def _of_sensitive_inputs(policy: Policy, manifests: Sequence[Manifest]) -> Iterator[str]:
    """Where a policy decides by inputs that a contract calls sensitive."""
    found = {
        FEATURE + feature.name for manifest in manifests for feature in manifest.inputs.features if feature.sensitive
    }
    for place, amount in amounts_of(policy):
        if amount.fact in found and place.startswith("actions."):
            yield f"{place}: {amount.fact} is sensitive, and the journal keeps the costs and values that follow from it"
    for place, when in conditions_of(policy):
        condition = condition_with_cuts(when, dict.fromkeys(cut_names(when), 0.0))
        tested = {test.key for test in tests_of(condition)} if condition is not None else set()
        for fact in sorted(tested & found):
            yield f"{place}: {fact} is sensitive: what is decided by it tells it"


def _falls_together(policy: Policy, route: RouteDocument) -> bool:
    """Whether a split between strategies is the same as one between arms."""
    if (policy.salt, policy.unit) != (route.salt, route.unit):
        return False
    strategies = {rule.layer for rule in policy.rules if len(rule.strategies) > 1}
    return not strategies.isdisjoint(rule.layer for rule in route.rules if len(rule.arms) > 1)


def _condition_errors(policy: Policy, cases: DecidedCases) -> Iterator[str]:
    kinds = {name: kind for name, kind in cases.known.items() if kind != "flag"}
    allowed = choices(cases.manifests)
    for place, when in conditions_of(policy):
        condition = condition_with_cuts(when, dict.fromkeys(cut_names(when), 0.0))
        if condition is None:
            continue
        for fact in dict.fromkeys(test.key for test in tests_of(condition)):
            yield from _unknown_fact(place, fact, cases)
        yield from operand_errors(place, condition, kinds)
        for test in tests_of(condition):
            yield from _value_errors(place, test, allowed)
        yield from _range_errors(place, symbolic(when, policy.cuts), cases)


def _unknown_fact(place: str, fact: str, cases: DecidedCases) -> Iterator[str]:
    if not is_known(fact, cases.known):
        yield f"{place}: unknown fact {fact!r}; {hint(fact, cases.known, 'fact')}"


def _value_errors(place: str, test: Test, allowed: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Tests of a value that the fact never has."""
    if test.operator == "exists":
        return
    several = test.operator in ("in", "not_in")
    values = sorted((value for _, value in test.operand), key=repr) if several else [test.operand]
    if test.key.startswith(FLAG) and not all(isinstance(value, bool) for value in values):
        yield f"{place}: {test.key} is a flag: compare it with {{eq: true}} or {{eq: false}}"
    if test.key in allowed and test.operator in ("eq", "in", "not_in"):
        for value in values:
            if isinstance(value, str) and value not in allowed[test.key]:
                yield f"{place}: {test.key} is never {value!r}; {hint(value, allowed[test.key], test.key)}"


def _range_errors(place: str, condition: Condition, cases: DecidedCases) -> Iterator[str]:
    """Conditions that no value within the range of a fact meets."""
    if never_matches(condition):
        return
    tested = {test.key for test in tests_of(condition)}
    for fact, (lowest, highest, text) in _BETWEEN.items():
        is_bounded = fact != SCORE or _are_probabilities(cases.manifests)
        if fact in tested and is_bounded and never_matches(All((condition, _within(fact, lowest, highest)))):
            yield f"{place} can never match: {text}"


def _within(fact: str, lowest: float, highest: float) -> Condition:
    number = All((Test(fact, "gte", lowest), Test(fact, "lte", highest)))
    return AnyOf((Test(fact, "exists", operand=False), number))


def _are_probabilities(manifests: Sequence[Manifest]) -> bool:
    return bool(manifests) and all(manifest.score.kind == "probability" for manifest in manifests)


def _amount_errors(policy: Policy, cases: DecidedCases) -> Iterator[str]:
    for place, amount in amounts_of(policy):
        if amount.fact is not None:
            yield from _number_errors(place, amount.fact, cases)


def _number_errors(place: str, fact: str, cases: DecidedCases) -> Iterator[str]:
    yield from _unknown_fact(place, fact, cases)
    kind = cases.known.get(fact)
    if kind is not None and kind != "number":
        yield f"{place}: {fact} is a {kind}, not a number"


def _cut_errors(policy: Policy, cases: DecidedCases) -> Iterator[str]:
    for name, cut in policy.cuts.items():
        if isinstance(cut, AdaptiveCut):
            yield from _number_errors(f"cuts.{name}.of", cut.of, cases)
            known = [bound for bound in (cut.start, cut.lowest, cut.highest) if bound is not None]
            if cut.of == SCORE and _are_probabilities(cases.manifests) and not all(0 <= bound <= 1 for bound in known):
                yield f"cuts.{name}: {_BETWEEN[SCORE][2]}"


def _intervention_errors(policy: Policy, cases: DecidedCases) -> Iterator[str]:
    inputs = cases.vocabularies
    for name, intervention in policy.interventions.items():
        for change in intervention.changes:
            place = f"interventions.{name}.{change.by}"
            if change.feature not in inputs:
                yield f"{place}: the route has no input {change.feature!r}; {hint(change.feature, inputs, 'input')}"
                continue
            vocabulary = inputs[change.feature]
            if (vocabulary is not None) != isinstance(change.value, str):
                kind = "number" if vocabulary is None else "category"
                yield f"{place}: {change.feature!r} is a {kind}, and {change.value!r} is not"
            elif vocabulary is not None and change.value not in vocabulary:
                near = hint(str(change.value), vocabulary, "value")
                yield f"{place}: no arm of the route knows {change.value!r} of {change.feature!r}; {near}"


def _recourse_errors(policy: Policy, cases: DecidedCases) -> Iterator[str]:
    try:
        check_actionability(policy.recourse, cases.vocabularies)
    except ValueError as error:
        yield str(error)


def _uplift_errors(policy: Policy, route: RouteDocument, manifest_of: ManifestOf) -> Iterator[str]:
    for name, action in policy.actions.items():
        ref = (action.effect or Effect(changes=0)).uplift
        if ref is None:
            continue
        try:
            inputs = routable(ref, manifest_of(ref)).inputs
        except (NotFoundError, RefusedError) as error:
            yield f"actions.{name}.effect.uplift: {error}"
        else:
            for error_line in contract_errors(route.input_schema, ref, inputs):
                yield f"actions.{name}.effect.uplift: {error_line}"


def _message_errors(policy: Policy, cases: DecidedCases) -> Iterator[str]:
    """The errors of messages; policies without any need no template library."""
    if policy.messages:
        require_library()
        from scoreline_registry.decisions.checks.message_validation import message_errors

        yield from message_errors(policy, cases)
