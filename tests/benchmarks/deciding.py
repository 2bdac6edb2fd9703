"""``python -m tests.benchmarks.deciding``: what a policy's proposals and messages cost, beside the score and the store.

CPU time of this process per row: medians over repeats, which other programs bend the least.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from scoreline_registry.decisions.deciding.compiled import CompiledPolicy, compile_policy
from scoreline_registry.decisions.deciding.proposal import Candidate, Case
from scoreline_registry.decisions.messages.rendering import CompiledMessages
from scoreline_registry.decisions.specs.policy_file import policy_of

POLICY = """
policy: guardian
route: spending
salt: benchmark
timezone: {context: timezone, default: Europe/Berlin}
currency: EUR
control: 10
actions:
  block: {cost: 2, benefit: {feature: amount}, effect: {reduces: 0.6}, channel: push}
  nudge: {cost: 0.05, benefit: {feature: amount, times: 0.5}, effect: {learned: {reduces: 0.2}}, channel: email}
  call: {cost: 4, benefit: {feature: amount}, effect: {learned: {reduces: 0.4}}}
strategies:
  usual:
    rules:
      - {name: high, when: {score: {gte: 0.9}, feature.amount: {gt: 100}}, action: block}
      - {name: odd, when: {any: [{context.country: {in: [XX, YY]}}, {feature.f7: {gt: 3}}]}, action: block}
      - {name: middle, when: {score: {gte: 0.1}}, choose: [nudge, call, block]}
      - {name: otherwise, action: none}
    EXPLORE
limits:
  - {name: daily, kind: frequency, at_most: 1, per: 1d, actions: [nudge, block]}
  - {name: money, kind: budget, at_most: 500, per: day, actions: [call]}
  - {name: night, kind: quiet_hours, from: "22:00", to: "08:00", channels: [push]}
messages:
  nudge:
    en: >-
      You spent {{ feature.amount | money }}, {{ score | percent }} above your habit.
      {% if context.name is defined %}Take care, {{ context.name }}.{% endif %}
    de: "Sie gaben {{ feature.amount | money }} aus."
"""
EXPLORE = {
    "by value": "",
    "uniform": "explore: {by: uniform, share: 0.1, among: [nudge, call]}",
    "thompson": "explore: {by: thompson, floor: 0.05, among: [nudge, call]}",
}
_REPEATS = 7


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    found = figures()
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    table = Table("what", "µs of CPU per row", title="decisions")
    for name, value in found.items():
        table.add_row(name, f"{value:,.1f}")
    Console().print(table)


def figures() -> Mapping[str, float]:
    """Microseconds per row by what is done."""
    found: dict[str, float] = {}
    for name, explore in EXPLORE.items():
        policy = compile_policy(policy_of(POLICY.replace("EXPLORE", explore), source="benchmark"))
        found[f"propose rows one by one, {name}"] = spent(proposing_each(policy, cases(100)), 100)
        found[f"propose 1,000 rows, {name}"] = spent(proposing(policy, cases(1000)), 1000)
        found[f"propose with a trace, {name}"] = spent(proposing(policy, cases(100), trace=True), 100)
        found[f"reserve for a proposal, {name}"] = spent(reserving(policy, cases(100)), 100)
    found["write a message"] = spent(writing(), 100)
    return found


def cases(count: int) -> Sequence[Case]:
    """Cases of 40 facts."""
    drawn = random.Random(0)
    others = {f"feature.f{place}": drawn.random() for place in range(35)}
    return [
        Case(f"d{row}", f"u{row}", {**others, **_facts(drawn)}, 1_795_000_000_000_000_000 + row) for row in range(count)
    ]


def spent(call: Callable[[], object], rows: int) -> float:
    """The CPU time of a call per row in microseconds: the median of repeats."""
    loops = max(1, 1000 // rows)
    times = []
    for _ in range(_REPEATS):
        start = time.process_time()
        for _ in range(loops):
            call()
        times.append((time.process_time() - start) / (loops * rows))
    return 1e6 * statistics.median(times)


def proposing(policy: CompiledPolicy, given: Sequence[Case], *, trace: bool = False) -> Callable[[], object]:
    """Proposes for cases."""
    return lambda: policy.propose(given, trace=trace)


def proposing_each(policy: CompiledPolicy, given: Sequence[Case]) -> Callable[[], object]:
    """Proposes for cases, a call for each."""
    return lambda: [policy.propose([case]) for case in given]


def reserving(policy: CompiledPolicy, given: Sequence[Case]) -> Callable[[], object]:
    """Makes the reservations of proposals."""
    proposals = list(zip(policy.propose(given), given, strict=True))
    return lambda: [policy.limits.reservation(proposal, case.unit, case.time_ns) for proposal, case in proposals]


def writing() -> Callable[[], object]:
    """Writes messages for cases."""
    messages = CompiledMessages(policy_of(POLICY.replace("EXPLORE", ""), source="benchmark"))
    nudge = Candidate("nudge", 1.0, 0.05, 10.0)
    given = cases(100)
    return lambda: [messages.write(nudge, case.facts) for case in given]


def _facts(drawn: random.Random) -> Mapping[str, Any]:
    return {
        "score": drawn.random(),
        "feature.amount": 500 * drawn.random(),
        "context.country": drawn.choice(["DE", "FR", "XX"]),
        "context.timezone": drawn.choice(["Europe/Berlin", "Europe/Lisbon"]),
        "context.name": "Ann",
    }


if __name__ == "__main__":
    main()
