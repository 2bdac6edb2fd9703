"""A policy compiled for deciding: from cases to proposals. Pure: equal cases always get equal proposals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from scoreline_registry.decisions.actions import NO_ACTION
from scoreline_registry.decisions.deciding.clock import UTC_ZONE, is_quiet, local_time, zone_named
from scoreline_registry.decisions.deciding.limits import CompiledLimits
from scoreline_registry.decisions.deciding.named_facts import named_facts
from scoreline_registry.decisions.deciding.proposal import Candidate, Case, LeftOut, Proposal, ShadowProposal
from scoreline_registry.decisions.deciding.randomness import KeyedRandom
from scoreline_registry.decisions.deciding.ranking import Ranking, odds_by_value, rank, rank_fixed
from scoreline_registry.decisions.deciding.rule_matching import MatchedRule, first_match, match_rules, traces_of
from scoreline_registry.decisions.deciding.splits import assigner_of
from scoreline_registry.decisions.deciding.values import DOING_NOTHING, ValuedAction
from scoreline_registry.decisions.deciding.variants import VariantChoice
from scoreline_registry.decisions.facts import CONTEXT, FLAG, HOUR, WEEKDAY, WEEKDAYS, Facts, FactValue
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.policy_conditions import condition_with_cuts
from scoreline_registry.decisions.strategies import Exploration
from scoreline_registry.routing.assignment import Reason
from scoreline_registry.routing.bucketing import WHOLE, UnitHasher


def compile_policy(policy: Policy) -> "CompiledPolicy":
    """The policy, ready to decide."""
    return CompiledPolicy(policy)


@dataclass(frozen=True, slots=True)
class _Strategy:
    name: str
    rules: tuple[MatchedRule, ...]
    explore: Exploration | None


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A case with the facts that the policy adds, and its local time where the policy needs it."""

    case: Case
    facts: Facts
    flags: tuple[str, ...]
    local: datetime | None


class CompiledPolicy:
    """A policy compiled for deciding.

    Attributes:
        policy: the document.
        limits: its limits: what proposals must reserve.
        facts: the names of the facts that its conditions, amounts and messages name.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.facts: tuple[str, ...] = named_facts(policy)
        self.limits = CompiledLimits(policy, self._default_zone)
        cuts = policy.cut_values
        self._flags = [(name, condition_with_cuts(when, cuts)) for name, when in policy.flags.items()]
        self._actions = {
            name: ValuedAction.of(name, action, policy.effects_state) for name, action in policy.actions.items()
        }
        self._strategies = {
            name: _Strategy(name, match_rules(each.rules, cuts), each.explore)
            for name, each in policy.strategies.items()
        }
        self._assigner = assigner_of(policy)
        self._control = UnitHasher(policy.control_salt)
        self._control_share = policy.control_millionths / WHOLE
        self._random = KeyedRandom(f"{policy.salt}/explore")
        self._variants = {
            action: VariantChoice(policy.salt, action, messages, policy.effects_state)
            for action, messages in policy.messages.items()
        }
        self._needs_clock = bool(self.limits.quiet) or not {HOUR, WEEKDAY}.isdisjoint(self.facts)

    @cached_property
    def needs_unit(self) -> bool:
        """Whether any answer depends on the unit: control, splits or limits."""
        return self._control_share > 0 or self._assigner.needs_unit or self.limits.needs_unit

    def zone_of(self, facts: Facts) -> ZoneInfo:
        """The time zone of a case; the policy's where the case names none that is known."""
        context = self.policy.timezone.context
        named = facts.get(CONTEXT + context) if context else None
        return (zone_named(named) if isinstance(named, str) else None) or self._default_zone

    def is_control(self, unit: str) -> bool:
        """Whether a unit is in the control share."""
        return self._control_share > 0 and self._control.bucket(unit) < self._control_share

    def propose(self, cases: Sequence[Case], *, trace: bool = False) -> list[Proposal]:
        """What the policy proposes for each case, in order; with ``trace``, how the rules were tried."""
        prepared = [self._prepared(case) for case in cases]
        units = [case.unit for case in cases]
        arms, reasons, _ = self._assigner.assign_many(units, [each.facts for each in prepared])
        names = self._assigner.arms
        return [
            self._proposal(each, self._strategies[names[arm]], reason, trace=trace)
            for each, arm, reason in zip(prepared, arms, reasons, strict=True)
        ]

    @cached_property
    def _default_zone(self) -> ZoneInfo:
        return zone_named(self.policy.timezone.default) or UTC_ZONE

    def _prepared(self, case: Case) -> _Prepared:
        facts, local = case.facts, None
        if self._needs_clock:
            local = local_time(case.time_ns, self.zone_of(facts))
            facts = {**facts, HOUR: local.hour, WEEKDAY: WEEKDAYS[local.weekday()]}
        raised: list[str] = []
        if self._flags:
            known: dict[str, FactValue] = dict(facts)
            for name, condition in self._flags:
                known[FLAG + name] = is_raised = condition is None or condition.matches(known)
                raised += [name] if is_raised else []
            facts = known
        return _Prepared(case, facts, tuple(raised), local)

    def _proposal(self, prepared: _Prepared, strategy: _Strategy, reason: Reason, *, trace: bool) -> Proposal:
        place = first_match(strategy.rules, prepared.facts)
        ranking, left_out = self._ranked(prepared, strategy, place)
        return Proposal(
            strategy=strategy.name,
            strategy_reason=reason,
            rule=strategy.rules[place].rule.name,
            is_control=self.is_control(prepared.case.unit),
            candidates=self._with_variants(ranking.candidates, prepared.case) if self._variants else ranking.candidates,
            odds=ranking.odds,
            facts=prepared.facts,
            flags=prepared.flags,
            left_out=left_out,
            shadows=tuple(self._shadow(prepared, self._strategies[name]) for name in self.policy.shadows),
            rules=traces_of(strategy.rules, place, prepared.facts) if trace else (),
        )

    def _shadow(self, prepared: _Prepared, strategy: _Strategy) -> ShadowProposal:
        place = first_match(strategy.rules, prepared.facts)
        first = self._ranked(prepared, strategy, place)[0].candidates[0]
        return ShadowProposal(strategy.name, strategy.rules[place].rule.name, first.action, first.expected_value)

    def _ranked(self, prepared: _Prepared, strategy: _Strategy, place: int) -> tuple[Ranking, tuple[LeftOut, ...]]:
        rule = strategy.rules[place].rule
        left_out: list[LeftOut] = []
        found: list[Candidate] = []
        for name in rule.actions:
            if name != NO_ACTION:
                each = self._candidate(prepared, name, compared=rule.action is None)
                if isinstance(each, Candidate):
                    found.append(each)
                else:
                    left_out.append(each)
        if rule.action is not None:
            return rank_fixed(found[0] if found else None), tuple(left_out)
        return self._chosen(prepared, strategy, found, always=rule.always), tuple(left_out)

    def _chosen(self, prepared: _Prepared, strategy: _Strategy, found: list[Candidate], *, always: bool) -> Ranking:
        """The candidates of a rule that chooses, ranked."""
        candidates = found if always else [*found, DOING_NOTHING]
        odds = odds_by_value(candidates, strategy.explore, self._actions, prepared.facts)
        count = len(candidates) + 1 if strategy.explore else 0
        numbers = self._random.numbers(prepared.case.decision_id, count)
        return rank(candidates, odds, numbers, always=always)

    def _candidate(self, prepared: _Prepared, name: str, *, compared: bool) -> Candidate | LeftOut:
        """An action of a rule as a candidate, where nothing but a store could forbid it."""
        case, facts, action = prepared.case, prepared.facts, self._actions[name]
        if case.channel and action.action.channel not in (None, case.channel):
            return LeftOut(name, "other_channel", action.action.channel or "")
        if (quiet := self._quiet(name, prepared)) is not None:
            return LeftOut(name, "limit", quiet)
        if not case.unit and (limit := self.limits.of_unit(name, facts)) is not None:
            return LeftOut(name, "no_unit", limit)
        return action.candidate(facts, compared=compared)

    def _quiet(self, action: str, prepared: _Prepared) -> str | None:
        """The first of the quiet hours that forbid an action now; None where none does."""
        for limit, scope, covered in self.limits.quiet:
            if (
                action in covered
                and (scope is None or scope.matches(prepared.facts))
                and prepared.local is not None
                and is_quiet(prepared.local, limit.from_minute, limit.to_minute)
            ):
                return limit.name
        return None

    def _with_variants(self, candidates: tuple[Candidate, ...], case: Case) -> tuple[Candidate, ...]:
        """The candidates with the variants of their messages."""
        return tuple(
            self._variants[each.action].chosen(each, case) if each.action in self._variants else each
            for each in candidates
        )
