"""``python -m tests.benchmarks.uplift``: choosing by expected value against a fixed threshold, on a real campaign.

Hillstrom's 64,000 customers got one of two e-mails or none at random (2008). A visit is worth 1, an e-mail costs 0.05.

- *threshold*: the e-mail that worked better on average, to everybody whose predicted rate of visits is above average.
- *best threshold*: the same at the cut that was worth most in the rows that the models learned from.
- *expected value*: the e-mail of the highest expected value by two models of the change that each makes, or none.

Each half of the customers is decided on by models of the other half, so that no model has seen the customers that it
is judged by. Values are off-policy estimates over the randomised log. Data is read from the folder that SCORELINE_DATA
names.
"""

import argparse
import csv
import gzip
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.console import Console
from rich.table import Table

from scoreline_registry.decisions.deciding.action_law import ActionLaw
from scoreline_registry.decisions.deciding.proposal import UPLIFT, Case
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.specs.policy_file import policy_of
from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.off_policy.estimators import Terms, doubly_robust, inverse_propensity
from scoreline_registry.statistics.off_policy.logged import LoggedDecisions
from scoreline_trainers.data.columns import Columns, FeatureSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.family import Fitted
from scoreline_trainers.progress import Silent

COST = 0.05
ARMS = {"No E-Mail": "none", "Mens E-Mail": "mens", "Womens E-Mail": "womens"}
ACTIONS = ("none", "mens", "womens")
FEATURES = ("recency", "history", "mens", "womens", "zip_code", "newbie", "channel")
HALVES = 2
WAYS = ("threshold", "best threshold", "expected value")
FAMILY = "logistic"

POLICY = """
policy: campaign
route: visits
actions:
  mens: {{cost: {cost}, benefit: 1, effect: {{uplift: mens@1}}}}
  womens: {{cost: {cost}, benefit: 1, effect: {{uplift: womens@1}}}}
strategies: {{usual: {{rules: {rules}}}}}
"""
THRESHOLD = "[{{name: likely, when: {{score: {{gte: {cut}}}}}, action: {mail}}}, {{name: otherwise, action: none}}]"
BY_VALUE = "[{name: best, choose: [mens, womens]}]"

Float64 = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a way to choose is worth per customer, in visits less costs, with a 95 % interval.

    Attributes:
        value: doubly robust.
        gain: of choosing by expected value over it, customer by customer; ``plain_gain`` by inverse propensity.
        shares: of the customers that get each action.
    """

    value: Estimate
    gain: Estimate
    plain_gain: Estimate
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Campaign:
    """The customers, the action that each got at random, and whether they visited."""

    frame: pl.DataFrame
    taken: Integers
    visited: Float64

    @classmethod
    def read(cls, folder: Path) -> "Campaign":
        """The campaign of a folder of real data."""
        with gzip.open(folder / "hillstrom" / "hillstrom.csv.gz", "rt", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        numbers = {name: [float(row[name]) for row in rows] for name in ("recency", "history")}
        flags = {name: [float(row[name]) for row in rows] for name in ("mens", "womens", "newbie")}
        texts = {name: [row[name] for row in rows] for name in ("zip_code", "channel")}
        visited = np.array([float(row["visit"]) for row in rows])
        taken = np.array([ACTIONS.index(ARMS[row["segment"]]) for row in rows], np.intp)
        return cls(pl.DataFrame({**numbers, **flags, **texts, "visit": visited}), taken, visited)


def compare(campaign: Campaign) -> dict[str, Chosen]:
    """The ways to choose, on every customer by models of the other half."""
    count = len(campaign.taken)
    half_of = np.random.default_rng(0).permutation(count) % HALVES
    predicted, targets = np.zeros((count, len(ACTIONS))), np.zeros((len(WAYS), count, len(ACTIONS)))
    for half in range(HALVES):
        held, others = np.flatnonzero(half_of == half), np.flatnonzero(half_of != half)
        models = _models(campaign, others)
        predicted[held] = _rates(models, campaign, held)
        for place, policy in enumerate((*_thresholds(campaign, others, models), _by_value())):
            targets[place, held] = _probabilities(policy, predicted[held], _response(predicted[held]))
    rewards = campaign.visited - COST * (campaign.taken > 0)
    expected = predicted - COST * (np.arange(len(ACTIONS)) > 0)
    propensities = np.full(count, 1 / len(ACTIONS))
    logs = [LoggedDecisions(ACTIONS, campaign.taken, rewards, propensities, target) for target in targets]
    robust, plain = [doubly_robust(log, expected) for log in logs], [inverse_propensity(log) for log in logs]
    return {
        way: Chosen(
            _figure(robust[place]),
            _figure(robust[-1].minus(robust[place].terms)),
            _figure(plain[-1].minus(plain[place].terms)),
            dict(zip(ACTIONS, targets[place].mean(axis=0).tolist(), strict=True)),
        )
        for place, way in enumerate(WAYS)
    }


def _models(campaign: Campaign, rows: Integers) -> Sequence[Fitted]:
    """One model of visits per action, of the customers that got it."""
    columns = Columns(label="visit", features=tuple(FeatureSpec(name=name) for name in FEATURES))
    family = FAMILIES[FAMILY]
    return [
        family.fit(
            Dataset.from_table(campaign.frame[rows[campaign.taken[rows] == action]], columns),
            family.config_type(), seed=0, progress=Silent(),
        )
        for action in range(len(ACTIONS))
    ]  # fmt: skip


def _rates(models: Sequence[Fitted], campaign: Campaign, rows: Integers) -> Float64:
    """[rows, A] the predicted rate of visits under each action."""
    columns = Columns(label="visit", features=tuple(FeatureSpec(name=name) for name in FEATURES))
    batch = Dataset.from_table(campaign.frame[rows], columns).batch
    return np.column_stack([model.predict(batch) for model in models])


def _response(rates: Float64) -> Float64:
    """The score that a threshold looks at: the rate of visits of customers who get an e-mail."""
    return np.asarray(rates[:, 1:].mean(axis=1), np.float64)


def _thresholds(campaign: Campaign, rows: Integers, models: Sequence[Fitted]) -> tuple[Policy, Policy]:
    """The better e-mail above the average score, and at the cut that was worth most in these rows."""
    taken, visited = campaign.taken[rows], campaign.visited[rows]
    means = [visited[taken == action].mean() for action in range(len(ACTIONS))]
    mail = int(np.argmax(means[1:])) + 1
    scores = _response(_rates(models, campaign, rows))
    # Of those with the e-mail or none: what the e-mail is worth to all at or above each cut.
    worth = np.where(taken == mail, visited - COST, -visited) * ((taken == mail) | (taken == 0)) * len(ACTIONS)
    order = np.argsort(-scores)
    best = scores[order][int(np.argmax(np.cumsum(worth[order])))]
    rules = (THRESHOLD.format(cut=float(cut), mail=ACTIONS[mail]) for cut in (scores.mean(), best))
    usual, tuned = (policy_of(POLICY.format(cost=COST, rules=each), source="threshold") for each in rules)
    return usual, tuned


def _by_value() -> Policy:
    return policy_of(POLICY.format(cost=COST, rules=BY_VALUE), source="expected value")


def _probabilities(policy: Policy, rates: Float64, scores: Float64) -> Float64:
    """[rows, A] what the policy does with each customer."""
    cases = [
        Case(
            str(row), str(row), {"score": score, f"{UPLIFT}mens@1": mens - none, f"{UPLIFT}womens@1": womens - none}, 0
        )
        for row, (score, (none, mens, womens)) in enumerate(zip(scores.tolist(), rates.tolist(), strict=True))
    ]
    return ActionLaw(policy).probabilities(cases).over(ACTIONS)


def _figure(terms: Terms) -> Estimate:
    found = terms.figure()
    assert isinstance(found, Estimate)
    return found


def main() -> None:
    """Prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    found = compare(Campaign.read(Path(os.environ["SCORELINE_DATA"])))
    if asked.json:
        print(json.dumps({way: asdict(each) for way, each in found.items()}, indent=2))
        return
    table = Table("policy", "value per customer, 95 %", "expected value is more by", *ACTIONS)
    for way, each in found.items():
        gain = "" if way == WAYS[-1] else _text(each.gain)
        table.add_row(way, _text(each.value), gain, *(f"{each.shares[action]:.1%}" for action in ACTIONS))
    Console().print(table)


def _text(figure: Estimate) -> str:
    return f"{figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]"


if __name__ == "__main__":
    main()
