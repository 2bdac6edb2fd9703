"""The steps of the demo: two models, one route, clicks as a stream, decisions, offers by what-if, and attacks."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import scoreline
from scoreline_registry.registry import Registry
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.demo.churn.attacks import Rows, attacked
from scoreline_trainers.demo.churn.calls import ANOMALY, POLICY, ROUTE, Calls, Decided
from scoreline_trainers.demo.churn.figures import (
    Attacks,
    ChurnReport,
    Clicks,
    actions_of,
    arms_of,
    attacks_of,
    offers_of,
)
from scoreline_trainers.demo.churn.subscribers import NEW_DAYS, PROFILE, Subscriber, Subscribers
from scoreline_trainers.demo.definitions import apply_packaged, publish_packaged
from scoreline_trainers.demo.serving import PATIENCE_SECONDS, Staying, serving
from scoreline_trainers.progress import Progress

GRAPH, HARDENED = "churn-graph-profile", "churn-hardened-profile"
SEED = 11
"""Of the subscribers who are served; the recipes learn from others."""
MOST_ATTACKS = 300
WAVERING = 0.2
"""The cut of the policy, above which offers are compared."""


def run_churn(
    folder: Path, *, customers: int, learned: int, staying: Staying | None, progress: Progress
) -> ChurnReport:
    """Runs the demo with its registry in ``folder``.

    Args:
        folder: where the registry is made, with the journal beside it.
        customers: how many subscribers are served.
        learned: how many other subscribers the models learn from.
        staying: where the server goes on afterwards; None where it ends with the demo.
        progress: receives every step.
    """
    folder.mkdir(parents=True, exist_ok=True)
    registry = Registry.create(folder / "registry")
    graph = publish_packaged(registry, GRAPH, customers=learned, progress=progress)
    hardened = publish_packaged(registry, HARDENED, customers=learned, progress=progress)
    progress.begin("apply profile, route and policy")
    apply_packaged(registry, profile=PROFILE, route=_route(graph, hardened), policy=POLICY)
    world = Subscribers.drawn(customers, now=datetime.now(UTC), seed=SEED)
    people = list(world.people.values())
    with (
        serving(folder / "registry", staying=staying) as server,
        scoreline.Client(server.address, timeout_seconds=PATIENCE_SECONDS) as client,
    ):
        calls = Calls(client)
        clicks = _streamed(calls, world, progress)
        progress.begin(f"decide for {len(people):,} subscribers")
        decided = calls.decide(people, [each.features for each in people])
        wavering = [
            each.subscriber for each in decided if each.decision.score and each.decision.score.score >= WAVERING
        ]
        progress.begin(f"compare the offers for {len(wavering):,} who waver")
        offers = offers_of(calls.what_if(wavering))
        attacks = _attacks(calls, decided, progress)
    return ChurnReport(
        subscribers=len(people),
        clicks=clicks,
        arms=arms_of(decided),
        actions=actions_of(decided),
        offers=offers,
        attacks=attacks,
        server=server if staying else None,
        problems=_problems(decided, calls.failures),
    )


def _route(graph: str, hardened: str) -> dict[str, Any]:
    """Newcomers get the model that looks at their friends, others the one that is hard to deceive."""
    return {
        "route": ROUTE,
        "schema": {"like": graph},
        "rules": [
            {"when": {"profile.age_days": {"lt": NEW_DAYS}}, "split": {graph: 100}},
            {"split": {hardened: 100}},
        ],
        "profiles": {PROFILE: {"neighbors": "friends"}},
    }


def _streamed(calls: Calls, world: Subscribers, progress: Progress) -> Clicks:
    progress.begin(f"record {len(world.past):,} events of the past")
    calls.record(world.past)
    live = sum(map(len, world.days))
    progress.begin(f"stream {live:,} events of the last days", total=len(world.days))
    seconds = 0.0
    for day in world.days:
        seconds += calls.record(day)
        progress.advance()
    return Clicks(len(world.past), live, round(live / seconds) if seconds else 0.0)


def _attacks(calls: Calls, decided: Sequence[Decided], progress: Progress) -> Attacks:
    """Attacks in the name of subscribers whom the hardened arm scores, beside the honest decisions for them."""
    honest = [each for each in decided if each.decision.score is not None and HARDENED in each.decision.score.arm]
    people = [each.subscriber for each in honest][:MOST_ATTACKS]
    progress.begin(f"attack in the name of {len(people):,} subscribers")
    invented = attacked(calls.numbers(people), lambda rows: _scores(calls, people, rows), seed=SEED)
    sent = [{**each.features, **row} for each, row in zip(people, invented, strict=True)]
    usual = _anomalies(calls, people, [each.features for each in people])
    return attacks_of(honest, calls.decide(people, sent), usual, _anomalies(calls, people, sent))


def _scores(calls: Calls, people: Sequence[Subscriber], rows: Rows) -> Float64:
    sent = [{**each.features, **row} for each, row in zip(people, rows, strict=True)]
    return np.asarray(calls.scores(people, sent).scores, np.float64)


def _anomalies(calls: Calls, people: Sequence[Subscriber], sent: Sequence[Any]) -> Float64:
    """float64 [N]: the anomaly score of each row; NaN from an arm without detectors."""
    found = np.full(len(people), np.nan)
    if people and (column := calls.scores(people, sent).extras.get(ANOMALY)) is not None:
        found[column.rows] = np.asarray(column.values, np.float64)
    return found


def _problems(decided: Sequence[Decided], failures: Sequence[str]) -> tuple[str, ...]:
    found = [f"{len(failures)} calls failed, such as: {failures[0]}"] if failures else []
    acted = sum(each.decision.is_control and each.decision.acts for each in decided)
    return (*found, *([f"the control got {acted} actions"] if acted else []))
