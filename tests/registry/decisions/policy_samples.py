"""A policy with every section, the registry that it fits, and small changes of it."""

from typing import Any

import yaml

from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.specs.policy_file import policy_of, read_policy
from scoreline_registry.decisions.specs.policy_spec import PolicySpec
from scoreline_registry.documents.contract import Band, Feature, InputContract, Points, ScoreContract
from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_spec import RouteSpec
from tests.registry.samples import MOMENT

GUARDIAN = """\
policy: guardian
description: Step in before a purchase is regretted.
route: spending
timezone: {context: timezone, default: Europe/Berlin}
language: {context: language, default: en}
currency: EUR
control: 10
actions:
  block:
    {cost: 2, benefit: {feature: amount}, effect: {reduces: 0.6}, channel: push, category: hold, exclusive: steps}
  nudge:
    cost: 0.05
    benefit: {feature: amount, times: 0.5}
    effect: {learned: {reduces: 0.2, weight: 50}}
    channel: email
    exclusive: steps
  offer: {cost: {feature: fee, times: 0.1}, benefit: 200, effect: {uplift: uplift@champion}, channel: email}
  step_up:
cuts:
  high: 0.7
  top: {share: 0.05, start: 0.8, window: 7d, lowest: 0.4, highest: 0.95}
  best: {costs: {false_positive: 5, false_negative: 100}, outcome: returned, matured: 7d, start: 0.5, window: 30d}
flags:
  adversarial: {extra.attack_score: {gte: 0.9}}
strategies:
  strict:
    rules:
      - {name: attacked, when: {flag.adversarial: {eq: true}}, action: step_up}
      - {name: high, when: {score: {gte: {cut: high}}, feature.amount: {gt: 100}}, action: block}
      - {name: middle, when: {score: {gte: 0.3}}, choose: [nudge, offer]}
      - {name: otherwise, action: none}
    explore: {by: thompson, among: [nudge, offer], floor: 0.05}
  gentle:
    rules:
      - {name: top, when: {any: [{score: {gte: {cut: top}}}, {band: {eq: high}}]}, choose: nudge, always: true}
      - {name: otherwise, action: none}
rules:
  - {when: {context.vip: {eq: true}}, layer: vip, split: {gentle: 100}}
  - split: {strict: 60, gentle: 40}
shadows: [gentle]
limits:
  - {name: daily, kind: frequency, at_most: 1, per: 1d, actions: [nudge, block]}
  - {name: rest, kind: cool_down, after: [block], for: 6h, actions: [nudge]}
  - {name: campaign, kind: total, at_most: 10000, actions: [offer]}
  - {name: contacts, kind: channel, channels: [push, email], at_most: 5, per: 7d, counter: contacts}
  - {name: money, kind: budget, at_most: 500, per: day, actions: [offer]}
  - {name: night, kind: quiet_hours, from: "22:00", to: "08:00", channels: [push]}
  - {name: one, kind: exclusive, actions: [offer, nudge], for: 30d}
  - {name: declined, kind: suppression, outcome: declined, for: 90d, actions: [nudge], when: {score: {lt: 0.9}}}
  - {name: one-step, kind: exclusive, groups: [steps], for: 1h}
messages:
  nudge:
    en: Sleep on it?
    de: {default: Nochmal schlafen., email: Schlafen Sie nochmal darüber.}
  block:
    variants:
      calm: {en: "We held your purchase of {{ feature.amount | money }}."}
      firm: {en: This purchase is on hold.}
interventions:
  discount10: {multiply: {fee: 0.9}, cost: {feature: fee, times: 1.2}, excludes: [discount20]}
  discount20: {multiply: {fee: 0.8}, set: {merchant: book}, cost: 5}
score_value: {feature: fee, times: -12}
recourse:
  amount: {direction: down, min: 0}
learning: {outcome: returned, matured: 7d}
"""

ROUTE: dict[str, Any] = {
    "route": "spending",
    "schema": {"features": {"amount": "number", "fee": "number", "merchant": "category"}},
    "rules": [{"split": {"impulse@champion": 100}}],
    "profiles": {"spending": {"features": []}},
}

PROFILE = """\
profile: spending
keep: 90d
events:
  purchase: {fields: {amount: number, merchant: category}}
features:
  spent_30d: {aggregate: sum, events: purchase, field: amount, window: 30d}
  last_merchant: {aggregate: last, events: purchase, field: merchant}
  last_purchases: {aggregate: sequence, fields: [amount], length: 3}
"""


def features(*names: str) -> tuple[Feature, ...]:
    """The contract's inputs of some names; ``merchant`` is a category."""
    known = {name: Feature(name=name, required=True) for name in names if name != "merchant"}
    merchant = Feature(name="merchant", kind="category", vocabulary=("book", "game"))
    return tuple(known.get(name, merchant) for name in names)


def scorer(*names: str, **score: Any) -> Manifest:
    """The manifest of a model that takes these inputs, with bands, points and an extra output."""
    contract: dict[str, Any] = {
        "meaning": "probability of an impulse purchase",
        "bands": (Band(name="low", from_score=0), Band(name="high", from_score=0.7)),
        "points": Points(base=600, odds=30, pdo=20),
        "extras": ("attack_score",),
    }
    return Manifest(
        family="lightgbm",
        inputs=InputContract(features=features(*names)),
        score=ScoreContract.model_validate(contract | score),
        created_at=MOMENT,
    )


def add_version(registry: Registry, model: str, manifest: Manifest, *, data: bytes = b"graph") -> int:
    """Publishes a version as the champion."""
    files = {"model.onnx": data, "golden.npz": b"golden"}
    return registry.publish(
        model, files=files, manifest=manifest, author="tester", message="publish", aliases=["champion"]
    )


def route(**changes: Any) -> RouteSpec:
    """The route that the policy decides for; ``changes`` replace or add keys."""
    return RouteSpec.model_validate(ROUTE | changes)


def fill(registry: Registry) -> None:
    """Publishes the models, the profile and the route that the policy needs: revisions 1 to 4."""
    add_version(registry, "impulse", scorer("amount", "fee", "merchant"))
    add_version(registry, "uplift", scorer("amount", "fee", kind="value", bands=(), points=None, extras=()))
    registry.apply_profile(read_profile(PROFILE, source="profile"), author="tester", message="")
    registry.apply_route(route(), author="tester", message="")


def guardian(**changes: Any) -> PolicySpec:
    """The policy as people write it; ``changes`` replace top-level keys, and remove those that are None."""
    return read_policy(text_of(**changes), source="guardian.yaml")


def text_of(**changes: Any) -> str:
    """The policy's YAML with some top-level keys replaced, or removed where they are None."""
    written = yaml.safe_load(GUARDIAN) | changes
    return yaml.safe_dump({key: value for key, value in written.items() if value is not None}, sort_keys=False)


def stored(text: str = GUARDIAN) -> Policy:
    """The policy as a registry stores it first."""
    return policy_of(text, source="guardian.yaml")
