"""Which strategy decides for a unit: by the machinery that gives units the arms of a route. Pure."""

from dataclasses import dataclass, field

from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.policy_conditions import condition_with_cuts
from scoreline_registry.decisions.strategies import SplitRule, StrategyShare
from scoreline_registry.routing.assignment import Assigner
from scoreline_registry.routing.bucketing import BucketRange
from scoreline_registry.routing.conditions import Condition


def assigner_of(policy: Policy) -> Assigner:
    """The strategies of a policy as arms. Contexts are the facts of cases."""
    cuts = policy.cut_values
    rules = tuple(_Rule(each, condition_with_cuts(each.when, cuts)) for each in policy.rules)
    return Assigner(_Splits(policy.salt, rules))


class _Arm:
    """A strategy as an arm."""

    def __init__(self, share: StrategyShare) -> None:
        self.ref: str = share.strategy
        self.ranges: tuple[BucketRange, ...] = share.ranges


class _Rule:
    """A rule of the split as a rule of a route."""

    def __init__(self, rule: SplitRule, condition: Condition | None) -> None:
        self.layer = rule.layer
        self.arms = tuple(map(_Arm, rule.strategies))
        self.condition = condition


@dataclass(frozen=True)
class _Splits:
    """What an assigner needs of a route."""

    salt: str
    rules: tuple[_Rule, ...]
    overrides: dict[str, str] = field(default_factory=dict)
    holdout_millionths: int = 0

    @property
    def arms(self) -> tuple[str, ...]:
        """Every strategy that a unit can be given, each once."""
        return tuple(dict.fromkeys(arm.ref for rule in self.rules for arm in rule.arms))
