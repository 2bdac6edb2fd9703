"""The steps of the demo: train on live profiles, serve, decide at each purchase of some weeks, and measure."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

import scoreline
from scoreline_registry.registry import Registry
from scoreline_trainers.demo.definitions import apply_packaged, publish_packaged
from scoreline_trainers.demo.guardian.cardholders import Cardholders
from scoreline_trainers.demo.guardian.figures import (
    Detection,
    Effect,
    GuardianReport,
    Interventions,
    Money,
    known_effect,
    problems_of,
)
from scoreline_trainers.demo.guardian.stream import POLICY, PROFILE, REGRETTED, ROUTE, Decided, Stream
from scoreline_trainers.demo.serving import PATIENCE_SECONDS, Served, Staying, serving
from scoreline_trainers.errors import DemoError
from scoreline_trainers.progress import Progress

MODEL = "guardian-profile"
ESTIMATE = "estimate"
"""The kind of a figure that is not too few."""
SEED = 11
"""Of the cardholders who are served; the recipe learns from others."""


def run_guardian(
    folder: Path, *, customers: int, weeks: int, learned: int, staying: Staying | None, progress: Progress
) -> GuardianReport:
    """Runs the demo with its registry in ``folder``.

    Args:
        folder: where the registry is made, with the journal beside it.
        customers: how many cardholders are served.
        weeks: how many weeks of their purchases are streamed.
        learned: how many other cardholders the model learns from.
        staying: where the server goes on afterwards; None where it ends with the demo.
        progress: receives every step.
    """
    folder.mkdir(parents=True, exist_ok=True)
    registry = Registry.create(folder / "registry")
    champion = publish_packaged(registry, MODEL, customers=learned, progress=progress)
    progress.begin("apply profile, route and policy")
    apply_packaged(registry, profile=PROFILE, route=_route(champion), policy=POLICY)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    people = Cardholders.drawn(customers, weeks=weeks, last_day=yesterday, seed=SEED)
    with serving(folder / "registry", staying=staying) as server:
        with scoreline.Client(server.address, timeout_seconds=PATIENCE_SECONDS) as client:
            stream = Stream(client, people)
            progress.begin(f"record {len(people.past):,} purchases of the past")
            stream.record_past()
            decided = list(_streamed(stream, people, progress))
        progress.begin("compare each action with the control")
        effects = _effects(folder / "registry", decided)
    return _report(people, weeks, decided, effects, stream.failures, server if staying else None)


def _route(champion: str) -> dict[str, Any]:
    return {
        "route": ROUTE,
        "schema": {"like": champion},
        "rules": [{"split": {champion: 100}}],
        "profiles": {PROFILE: {}},
    }


def _streamed(stream: Stream, people: Cardholders, progress: Progress) -> Iterator[Decided]:
    purchases = sum(map(len, people.days))
    progress.begin(f"decide at {purchases:,} purchases, day by day", total=len(people.days))
    for day in people.days:
        yield from stream.day(day)
        progress.advance()


def _effects(registry: Path, decided: Sequence[Decided]) -> tuple[Effect, ...]:
    """The effects that the journal shows, each beside the true one."""
    command = [sys.executable, "-m", "scoreline", "policy", "effect", POLICY, "--registry", str(registry)]
    command += ["--outcome", REGRETTED, "--maturity-days", "0", "--tuning-rows", "500", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own words
    if done.returncode:
        raise DemoError(f"the effects could not be computed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    found: list[dict[str, Any]] = json.loads(done.stdout)["effects"]
    own = [each for each in found if each["metric"] == REGRETTED and each["fixed"]["kind"] == ESTIMATE]
    return tuple(
        Effect(
            action=each["action"],
            value=each["fixed"]["value"],
            low=each["fixed"]["low"],
            high=each["fixed"]["high"],
            always_valid=_interval(each["sequential"]),
            truth=known_effect(decided, each["action"]),
        )
        for each in own
    )


def _interval(figure: Mapping[str, Any]) -> tuple[float, float] | str:
    if figure["kind"] == ESTIMATE:
        return figure["low"], figure["high"]
    return f"too few: {figure['count']} of {figure['needed']}"


def _report(
    people: Cardholders,
    weeks: int,
    decided: Sequence[Decided],
    effects: tuple[Effect, ...],
    failures: Sequence[str],
    server: Served | None,
) -> GuardianReport:
    interventions = Interventions.of(decided)
    waits = [each.milliseconds for each in decided] or [0.0]
    messages = (each.decision.message for each in decided if each.decision.action == "pause")
    return GuardianReport(
        cardholders=len(people.contexts),
        weeks=weeks,
        detection=Detection.of(decided),
        interventions=interventions,
        money=Money.of(decided, weeks=weeks),
        effects=effects,
        decide_p50_ms=round(float(np.percentile(waits, 50)), 2),
        decide_p99_ms=round(float(np.percentile(waits, 99)), 2),
        example=next(messages, ""),
        server=server,
        problems=problems_of(decided, interventions, failures),
    )
