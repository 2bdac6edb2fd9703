"""The facts that messages of a policy may rely on."""

from scoreline_registry.decisions.checks.fact_names import DecidedCases, known_facts
from scoreline_registry.decisions.checks.message_validation import message_errors
from scoreline_registry.routing.planning import next_document, written_schema
from tests.registry.decisions.policies import CHOOSE, policy_with
from tests.registry.samples import spec


def test_flags_that_the_policy_declares_are_always_there() -> None:
    written = spec(rules=[{"split": {"lgbm@1": 100}}])
    route = next_document(written, schema=written_schema(written.input_schema), before=None)
    policy = policy_with(
        CHOOSE,
        flags={"odd": {"score": {"gt": 0.9}}},
        messages={"nudge": {"en": "{% if flag.odd or flag.fallback %}Odd: {{ context.why }}{% endif %}"}},
    )
    cases = DecidedCases(route, (), known_facts(route, {}, (), flags=policy.flags))
    assert [error.partition(": write")[0] for error in message_errors(policy, cases)] == [
        "messages.nudge.en.default: context.why may be missing"
    ]
