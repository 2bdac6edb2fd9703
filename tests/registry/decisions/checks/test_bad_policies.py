"""Policies that must not decide: each is refused when it is applied, in one line that says what to change."""

from collections.abc import Mapping

import pytest

from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.errors import InvalidError, RefusedError
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from tests.registry.decisions.policy_samples import GUARDIAN, fill

BAD: Mapping[str, tuple[str, str, str]] = {
    # What is written, what is written instead, and the line.
    "no action for a case": (
        "      - {name: otherwise, action: none}\n    explore",
        "    explore",
        "strategies.strict: the last rule must have no `when`, so that there is an action for every case",
    ),
    "a cost that is a text": (
        "cost: 2,",
        "cost: two,",
        "actions.block.cost: 'two' is not a number: write a number, or {feature: name, times: 0.1}",
    ),
    "a cost that is not finite": (
        "cost: 2,",
        "cost: .inf,",
        "actions.block.cost: inf is not a finite number: write a number, or {feature: name, times: 0.1}",
    ),
    "a cost that is a flag": (
        "cost: 2,",
        "cost: true,",
        "actions.block.cost: True is not a number: write a number, or {feature: name, times: 0.1}",
    ),
    "a cost that YAML reads as a text": (
        "cost: 2,",
        "cost: 2e3,",
        (
            "actions.block.cost: '2e3' is a text to YAML: leave out quotes and exponents: write a number, or "
            "{feature: name, times: 0.1}"
        ),
    ),
    "a cost of too many digits": (
        "cost: 2,",
        f"cost: {9 * 10**399},",
        (
            "actions.block.cost: 9000000000000000000000000000000000000... is not a number from -1e15 to 1e15: "
            "write a number, or {feature: name, times: 0.1}"
        ),
    ),
    "a negative cost": (
        "cost: 2,",
        "cost: -2,",
        "actions.block.cost: -2 is negative: write what it brings as its `benefit`",
    ),
    "a cost beyond all money": (
        "cost: 2,",
        "cost: 1.0e+300,",
        (
            "actions.block.cost: 1e+300 is not a number from -1e15 to 1e15: write a number, or {feature: name, "
            "times: 0.1}"
        ),
    ),
    "an amount with a factor that is a text": (
        "amount, times: 0.5",
        "amount, times: half",
        "actions.nudge.benefit.times: 'half' is not a number",
    ),
    "an amount of two facts": (
        "{feature: fee, times: 0.1}",
        "{feature: fee, fact: score}",
        "actions.offer.cost: an amount names one `feature`, or one `fact` such as profile.<profile>.<feature>",
    ),
    "an amount of an unknown feature": (
        "benefit: {feature: amount},",
        "benefit: {feature: amuont},",
        "actions.block.benefit: unknown fact 'feature.amuont'; did you mean 'feature.amount'?",
    ),
    "an amount of a category": (
        "benefit: {feature: amount},",
        "benefit: {feature: merchant},",
        "actions.block.benefit: feature.merchant is a category, not a number",
    ),
    "an amount of something else": (
        "{feature: fee, times: 0.1}",
        "{fact: fees}",
        (
            "actions.offer.cost.fact: 'fees' is no fact: write score, band, points, hour, weekday, "
            "feature.<name>, context.<name>, profile.<name>, event.<name>, extra.<name>, flag.<name>"
        ),
    ),
    "an unknown key": (
        "benefit: 200,",
        "benefits: 200,",
        "actions.offer: unknown key 'benefits'; did you mean 'benefit'?",
    ),
    "two effects": (
        "{reduces: 0.6}",
        "{reduces: 0.6, changes: 1}",
        (
            "actions.block.effect: an effect is exactly one of reduces, changes, uplift, learned; this one has "
            "reduces and changes"
        ),
    ),
    "an effect of more than all": (
        "{reduces: 0.6}",
        "{reduces: 1.6}",
        "actions.block.effect.reduces: Input should be less than or equal to 1",
    ),
    "an uplift model that is not there": (
        "uplift@champion",
        "uplfit@champion",
        "actions.offer.effect.uplift: model 'uplfit' is not in the registry: did you mean 'uplift'?",
    ),
    "an uplift model without its alias": (
        "uplift@champion",
        "uplift",
        (
            "actions.offer.effect.uplift: model reference 'uplift' is not a valid name: write model@version or "
            "model@alias, such as uplift@champion or uplift@1"
        ),
    ),
    "a learned effect without outcome": (
        "learning: {outcome: returned, matured: 7d}\n",
        "",
        (
            "actions.nudge.effect: say from which outcome it is learned: write learning: {outcome: accepted, "
            "matured: 7d}"
        ),
    ),
    "an action that is named none": (
        "  step_up:\n",
        "  none:\n",
        "actions.none: the action 'none' is always there: choose another name",
    ),
    "an unknown action of a rule": (
        "action: step_up",
        "action: stepup",
        "strategies.strict: rule 'attacked': unknown action 'stepup'; did you mean 'step_up'?",
    ),
    "an unknown action to choose": (
        "choose: [nudge, offer]",
        "choose: [nudge, ofer]",
        "strategies.strict: rule 'middle': unknown action 'ofer'; did you mean 'offer'?",
    ),
    "a choice without expected value": (
        "choose: [nudge, offer]",
        "choose: [nudge, offer, step_up]",
        (
            "strategies.strict: rule 'middle' never chooses 'step_up': it has no `effect`, so no expected value; "
            "write `action:` to take it without"
        ),
    ),
    "neither action nor choice": (
        ", action: step_up}",
        "}",
        "strategies.strict.rules.0: rule 'attacked': write an `action` or actions to `choose` from",
    ),
    "a rule after one for every case": (
        "{name: attacked, when: {flag.adversarial: {eq: true}},",
        "{name: attacked,",
        ("strategies.strict: rule 'attacked' has no `when`, so the rules after it can never match: move it to the end"),
    ),
    "a rule that an earlier one covers": (
        "{score: {gte: 0.3}}",
        "{score: {gte: 0.8}, feature.amount: {gt: 200}}",
        "strategies.strict: rule 'middle' can never match: every case that meets it meets an earlier rule",
    ),
    "a rule that contradicts itself": (
        "{score: {gte: 0.3}}",
        "{score: {gte: 0.3, lt: 0.2}}",
        "strategies.strict: rule 'middle' can never match: its conditions contradict each other",
    ),
    "a rule above every probability": (
        "{score: {gte: 0.3}}",
        "{score: {gte: 30}}",
        "strategies.strict: rule 'middle' can never match: scores of the route are probabilities, from 0 to 1",
    ),
    "a rule at an hour that is none": (
        "{score: {gte: 0.3}}",
        "{hour: {gte: 24}}",
        "strategies.strict: rule 'middle' can never match: hours are from 0 to 23",
    ),
    "a duplicate rule": ("{name: middle,", "{name: high,", "strategies.strict: duplicate rule 'high'"),
    "a condition of an unknown fact": (
        "{score: {gte: 0.3}}",
        "{scores: {gte: 0.3}}",
        "strategies.strict: rule 'middle': unknown fact 'scores'; did you mean 'score'?",
    ),
    "a condition of an unknown feature": (
        "feature.amount: {gt: 100}",
        "feature.ammount: {gt: 100}",
        "strategies.strict: rule 'high': unknown fact 'feature.ammount'; did you mean 'feature.amount'?",
    ),
    "a number compared with a text": (
        "feature.amount: {gt: 100}",
        'feature.amount: {gt: "100"}',
        "strategies.strict: rule 'high': feature.amount is a number: 'gt' compares it with numbers only",
    ),
    "a flag compared with a text": (
        "{eq: true}}, action: step_up",
        '{eq: "yes"}}, action: step_up',
        ("strategies.strict: rule 'attacked': flag.adversarial is a flag: compare it with {eq: true} or {eq: false}"),
    ),
    "a band that no arm has": (
        "{band: {eq: high}}",
        "{band: {eq: hgih}}",
        "strategies.gentle: rule 'top': band is never 'hgih'; did you mean 'high'?",
    ),
    "an unknown operator": (
        "{gte: 0.3}",
        "{ge: 0.3}",
        "strategies.strict.rules.2.when: score: there is no operator 'ge'; did you mean 'gte'?",
    ),
    "an unknown cut": (
        "{gte: {cut: high}}",
        "{gte: {cut: hihg}}",
        "strategies.strict: rule 'high': unknown cut 'hihg'; did you mean 'high'?",
    ),
    "a share of percents": (
        "share: 0.05, start",
        "share: 5, start",
        "cuts.top.share: 5 is not a share between 0 and 1: write 0.05 for 5 %",
    ),
    "a cut of two kinds": (
        "{share: 0.05, start",
        "{share: 0.05, costs: {}, start",
        (
            "cuts.top: a cut that adapts has a `share` or `costs`, exactly one of them, not {'share': 0.05, "
            "'costs': {}, 'start':..."
        ),
    ),
    "a cut outside its bounds": (
        "start: 0.8, window",
        "start: 0.3, window",
        "cuts.top: start 0.3 is not between lowest and highest",
    ),
    "a cut of percents": (
        "start: 0.8, window: 7d, lowest: 0.4, highest: 0.95",
        "start: 80, window: 7d",
        "cuts.top: scores of the route are probabilities, from 0 to 1",
    ),
    "a cut of another fact": (
        "{score: {gte: {cut: top}}}",
        "{points: {gte: {cut: top}}}",
        "strategies.gentle: rule 'top': the cut 'top' is one of score, and it is compared with points",
    ),
    "a cut of outcomes that never mature": (
        "matured: 7d, start",
        "matured: 30d, start",
        "cuts.best: no case is old enough: the window must be longer than `matured`",
    ),
    "a flag of a flag": (
        "{extra.attack_score: {gte: 0.9}}",
        "{flag.adversarial: {eq: true}}",
        "flags.adversarial: it depends on the flag 'adversarial': write that condition here",
    ),
    "an unknown strategy": (
        "split: {gentle: 100}",
        "split: {gentel: 100}",
        "rules: rule 1: unknown strategy 'gentel'; did you mean 'gentle'?",
    ),
    "weights that do not total 100": (
        "{strict: 60, gentle: 40}",
        "{strict: 60, gentle: 30}",
        "rules.1: the weights of strict, gentle total 90, not 100",
    ),
    "units without a strategy": (
        "  - split: {strict: 60, gentle: 40}\n",
        "",
        "the last of `rules` must have no `when`, so that every unit gets a strategy",
    ),
    "a strategy for no unit": (
        "split: {strict: 60, gentle: 40}",
        "split: {gentle: 100}",
        "strategies.strict: it decides for no unit: give it a share in `rules` or name it in `shadows`",
    ),
    "exploration of what no rule chooses": (
        "among: [nudge, offer]",
        "among: [nudge, block]",
        "strategies.strict: explore: no rule of the strategy has 'block' to choose from",
    ),
    "a floor above what there is": (
        "floor: 0.05",
        "floor: 0.6",
        "strategies.strict.explore.floor: Input should be less than or equal to 0.5",
    ),
    "an unknown kind of limit": (
        "kind: frequency",
        "kind: frequncy",
        "limits.0: unknown kind of limit 'frequncy'; did you mean 'frequency'?",
    ),
    "a kind of limit that is a list": (
        "kind: frequency",
        "kind: [frequency]",
        "limits.0: unknown kind of limit ['frequency']; did you mean 'frequency'?",
    ),
    "a limit of an unknown action": (
        "actions: [nudge, block]}",
        "actions: [nudge, blok]}",
        "limits: 'daily': unknown action 'blok'; did you mean 'block'?",
    ),
    "a limit of an unknown channel": (
        "channels: [push, email], at_most",
        "channels: [push, sms], at_most",
        "limits: 'contacts': unknown channel 'sms'; there are email, push",
    ),
    "a limit without its time": ("at_most: 1, per: 1d,", "at_most: 1,", "limits.0.per: is missing"),
    "a limit of a flag": ("at_most: 1, per: 1d", "at_most: true, per: 1d", "limits.0.at_most: True is not a number"),
    "a limit of a part": (
        "at_most: 1, per: 1d",
        "at_most: 1.5, per: 1d",
        "limits.0.at_most: 1.5 is not a whole number",
    ),
    "a message that is a number": (
        "Sleep on it?",
        "5",
        "messages.nudge.en: write it as a text, or texts by channel, not 5",
    ),
    "a limit of nothing": (
        "at_most: 1, per: 1d",
        "at_most: 0, per: 1d",
        "limits.0.at_most: Input should be greater than or equal to 1",
    ),
    "a budget below one cost": (
        "cost: {feature: fee, times: 0.1}",
        "cost: 501",
        "limits: 'money': 'offer' costs 501, more than the whole budget of 500",
    ),
    "quiet hours without quotes": (
        'from: "22:00"',
        "from: 22:00",
        'limits.5.from: 1320 is no time of the day: write it in quotes, such as "22:00"',
    ),
    "quiet hours of no time": (
        'to: "08:00"',
        'to: "22:00"',
        "limits: 'night': its hours begin and end at the same time, so no time is quiet",
    ),
    "an action that excludes itself": (
        "kind: exclusive, actions: [offer, nudge]",
        "kind: exclusive, actions: [offer]",
        "limits: 'one': 'offer' cannot exclude itself: name two actions or more",
    ),
    "a limit that covers nothing": (
        "kind: total, at_most: 10000, actions: [offer]",
        "kind: total, at_most: 10000, actions: [offer], channels: [push]",
        "limits: 'campaign': it covers no action: none fits its actions, channels and categories",
    ),
    "a duplicate limit": ("{name: rest,", "{name: daily,", "duplicate limit 'daily'"),
    "an unknown time zone": (
        "default: Europe/Berlin",
        "default: Europe/Berlln",
        "timezone: unknown time zone 'Europe/Berlln'; did you mean 'Europe/Berlin'?",
    ),
    "an unknown route": (
        "route: spending",
        "route: spendings",
        "route: unknown route 'spendings'; did you mean 'spending'?",
    ),
    "an unknown currency": (
        "currency: EUR",
        "currency: Euro",
        "currency: 'Euro' is no currency: write its code of three letters, such as EUR",
    ),
    "a control above everything": ("control: 10", "control: 110", "control: 110 is not between 0 and 100 percent"),
    "a message of an unknown action": (
        "  block:\n    variants",
        "  blok:\n    variants",
        "messages: unknown action 'blok'; did you mean 'block'?",
    ),
    "a message by a channel that is not the action's": (
        "email: Schlafen",
        "push: Schlafen",
        ("messages.nudge: no message is sent by the channel 'push'; the action goes by email: write email or default"),
    ),
    "a placeholder that may be missing": (
        "Sleep on it?",
        "You spent {{ profile.spending.spent_30d }}.",
        (
            "messages.nudge.en.default: profile.spending.spent_30d may be missing: write {{ "
            "profile.spending.spent_30d | default(...) }} or within {% if profile.spending.spent_30d is defined "
            "%}"
        ),
    ),
    "money without a currency": (
        "currency: EUR\n",
        "",
        "messages.block.calm.en.default: the filter money needs the policy's `currency`, such as EUR",
    ),
    "a message that customers of the default language lack": (
        "    en: Sleep on it?\n    de:",
        "    de:",
        "messages.nudge: there is no text in the policy's default language 'en'",
    ),
    "a loop in a message": (
        "Sleep on it?",
        '"{% for x in reasons %}{{ x }}{% endfor %}"',
        ("messages.nudge.en.default: a loop is not allowed: a message has placeholders, filters and if/elif/else"),
    ),
    "a call in a message": (
        "Sleep on it?",
        '"{{ score.hex() }}"',
        ("messages.nudge.en.default: a call is not allowed: a message has placeholders, filters and if/elif/else"),
    ),
    "circular exclusion": (
        "set: {merchant: book}, cost: 5",
        "set: {merchant: book}, cost: 5, excludes: [discount10]",
        (
            "interventions: circular exclusion discount10 -> discount20 -> discount10: an exclusion holds both "
            "ways, so write each pair once, at the first of the two"
        ),
    ),
    "an intervention that excludes itself": (
        "excludes: [discount20]",
        "excludes: [discount10]",
        "interventions.discount10: it excludes itself",
    ),
    "an intervention of an unknown input": (
        "multiply: {fee: 0.9}",
        "multiply: {fees: 0.9}",
        "interventions.discount10.multiply: the route has no input 'fees'; did you mean 'fee'?",
    ),
    "an intervention to an unknown category": (
        "set: {merchant: book}",
        "set: {merchant: bok}",
        "interventions.discount20.set: no arm of the route knows 'bok' of 'merchant'; did you mean 'book'?",
    ),
    "an intervention that multiplies a category": (
        "multiply: {fee: 0.9}",
        "multiply: {merchant: 0.9}",
        "interventions.discount10.multiply: 'merchant' is a category, and 0.9 is not",
    ),
    "an intervention that changes nothing": (
        "multiply: {fee: 0.9}, ",
        "",
        (
            "interventions.discount10: an intervention changes something: write set, add, multiply, cap or "
            "floor, such as {set: {fee: 5}}"
        ),
    ),
    "recourse of an unknown input": (
        "recourse:\n  amount:",
        "recourse:\n  amont:",
        "recourse of 'amont': there is no such input",
    ),
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    registry = Registry.create(MemoryStorage())
    fill(registry)
    return registry


def lines(registry: Registry, text: str) -> tuple[str, ...]:
    try:
        registry.plan_policy(read_policy(text, source="guardian.yaml"))
    except (InvalidError, RefusedError) as error:
        return error.problems
    return ()


@pytest.mark.parametrize("case", BAD)
def test_a_bad_policy_is_refused_in_one_line(registry: Registry, case: str) -> None:
    written, instead, line = BAD[case]
    assert GUARDIAN.count(written) == 1
    assert lines(registry, GUARDIAN.replace(written, instead)) == (line,)


def test_the_policy_itself_is_taken(registry: Registry) -> None:
    assert lines(registry, GUARDIAN) == ()
