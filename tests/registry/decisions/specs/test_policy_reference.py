"""The reference of policies names every key, and its example is the policy that other tests apply."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from scoreline_registry.decisions.facts import FACT_PREFIXES, PLAIN_FACTS
from scoreline_registry.decisions.messages.filter_arguments import FILTERS
from scoreline_registry.decisions.specs.action_specs import (
    ActionSpec,
    CostCutSpec,
    CostsSpec,
    EffectSpec,
    LearnedEffectSpec,
    ShareCutSpec,
)
from scoreline_registry.decisions.specs.limit_specs import LIMIT_SPECS, LimitSpec
from scoreline_registry.decisions.specs.message_specs import ActionMessagesSpec
from scoreline_registry.decisions.specs.policy_spec import (
    ExplorationSpec,
    InterventionSpec,
    LearningSpec,
    PolicySpec,
    SplitRuleSpec,
    StrategyRuleSpec,
    StrategySpec,
)
from scoreline_registry.decisions.specs.reading import AmountSpec
from scoreline_registry.documents.actionability import ActionabilitySpec
from scoreline_registry.routing.strict_spec import Strict
from tests.registry.decisions.policy_samples import GUARDIAN, stored, text_of

PAGE = (Path(__file__).parents[4] / "docs/reference/policies.md").read_text("utf-8")
SECTIONS: Mapping[str, tuple[type[Strict] | type[ActionabilitySpec], ...]] = {
    "The policy": (PolicySpec,),
    "Actions": (ActionSpec, EffectSpec, LearnedEffectSpec),
    "Amounts": (AmountSpec,),
    "Cuts": (ShareCutSpec, CostCutSpec, CostsSpec),
    "Strategies": (StrategySpec, StrategyRuleSpec, ExplorationSpec, SplitRuleSpec),
    "Limits": (LimitSpec, *LIMIT_SPECS.values()),
    "Messages": (ActionMessagesSpec,),
    "Interventions": (InterventionSpec,),
    "Recourse": (ActionabilitySpec,),
    "Learning": (LearningSpec,),
}


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return found[1]


def code_in(text: str) -> str:
    return " ".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_is_in_its_section(title: str) -> None:
    named = set(re.findall(r"[a-z][a-z_]*", code_in(section(title))))
    keys = {field.alias or name for spec in SECTIONS[title] for name, field in spec.model_fields.items()}
    assert keys - named == set()


def test_every_fact_kind_of_limit_and_filter_is_named() -> None:
    facts, limits, messages = (code_in(section(title)) for title in ("Facts", "Limits", "Messages"))
    assert [fact for fact in (*PLAIN_FACTS, *FACT_PREFIXES) if fact not in facts] == []
    assert [kind for kind in LIMIT_SPECS if f"`{kind}`" not in limits] == []
    assert [name for name in ("money", "number", "percent", "date", "default") if name not in messages] == []
    assert {"money", "number", "percent", "date", "default"} <= FILTERS.keys()


def test_the_example_is_the_policy_that_is_applied_elsewhere() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert blocks[0] == GUARDIAN
    messages = next(yaml.safe_load(block) for block in blocks if block.startswith("messages:"))
    assert stored(text_of(**messages)).messages.keys() == {"nudge", "block"}
