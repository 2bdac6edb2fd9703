"""The steps of the demo, each as a team would take it with its own data."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import scoreline
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.demo.propensity.callers import Callers, ScoredCustomer
from scoreline_trainers.demo.serving import serving
from scoreline_trainers.errors import DemoError
from scoreline_trainers.gate.checks import TOLERANCE
from scoreline_trainers.progress import Part, Progress
from scoreline_trainers.synthetic import GENERATORS
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.recipe import Recipe, find_recipe
from scoreline_trainers.training.reports.training_report import TrainingReport
from scoreline_trainers.training.run import train

AUTHOR = "scoreline demo"
ROUTE = "propensity"
BOOSTED, LINEAR = "propensity-lightgbm", "propensity-logistic"
FIRST_TRY = {"n_estimators": 40}


@dataclass(frozen=True, slots=True)
class ArmReport:
    """One version and its calls. ``max_difference`` is to the native model, over the customers that it scored."""

    family: str
    model: str
    version: int
    auc: float
    model_bytes: int
    scored: int
    p50_ms: float
    p99_ms: float
    max_difference: float


@dataclass(frozen=True, slots=True)
class CallsReport:
    """Started = answered + failed, or a call was lost."""

    started: int
    answered: int
    failed: int


@dataclass(frozen=True, slots=True)
class SwapReport:
    """The champion's versions before and after, how many calls had been answered, and how long adoption took."""

    before: int
    after: int
    after_calls: int
    adoption_ms: float


@dataclass(frozen=True, slots=True)
class DemoReport:
    """The result; ``problems`` is empty where all calls were answered and every score equals the native model's."""

    arms: tuple[ArmReport, ...]
    calls: CallsReport
    swap: SwapReport
    problems: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Trained:
    """A published version with what made it."""

    recipe: Recipe
    candidate: Candidate
    report: TrainingReport

    @property
    def key(self) -> tuple[str, int]:
        if self.report.version is None:
            raise DemoError(f"{self.recipe.name} was not published")
        return self.recipe.name, self.report.version


def run_demo(folder: Path, *, customers: int, rows: int, progress: Progress) -> DemoReport:
    """Runs the demo with its registry in ``folder``.

    Args:
        folder: where the registry is made.
        customers: how many are scored over gRPC.
        rows: how many other customers the models learn from.
        progress: receives every step.
    """
    registry = Registry.create(folder)
    known = GENERATORS["propensity"](rows, seed=1)
    new = GENERATORS["propensity"](customers, seed=2)
    first = _publish(registry, _recipe(BOOSTED, **FIRST_TRY), known, ("champion",), progress)
    second = _publish(registry, _recipe(BOOSTED), known, ("challenger",), progress)
    linear = _publish(registry, _recipe(LINEAR), known, ("champion",), progress)
    progress.begin("route 90/10")
    registry.apply_route(_route(), author=AUTHOR, message="90 % to the boosted champion")
    with serving(folder) as server:
        progress.begin(f"score {customers} customers over gRPC, swapping the champion on the way")
        inputs, unit = _inputs(new, first.recipe), _unit(first.recipe)
        callers = Callers(server.address, ROUTE, inputs, id_column=unit, reserved=customers // 4)
        swap = _score_and_swap(registry, callers, first, second, customers, server.address)
    progress.begin("compare with the native models")
    arms = tuple(_arm_report(trained, new, callers.answers) for trained in (first, second, linear))
    calls = CallsReport(callers.started, len(callers.answers), len(callers.failures))
    return DemoReport(arms, calls, swap, tuple(_problems(arms, calls, callers.failures)))


def _recipe(name: str, **config: Any) -> Recipe:
    """A packaged recipe, without its own route, and with some options changed."""
    recipe, _ = find_recipe(name)
    return recipe.model_copy(update={"config": {**recipe.config, **config}, "route": None})


def _publish(
    registry: Registry, recipe: Recipe, table: pl.DataFrame, aliases: Sequence[str], progress: Progress
) -> _Trained:
    candidate = train(recipe, table, progress=Part(progress, f"{recipe.name} ({', '.join(aliases)})"))
    report = publish_candidate(candidate, recipe, registry, author=AUTHOR, aliases=aliases)
    return _Trained(recipe, candidate, report)


def _route() -> RouteSpec:
    champions = {f"{BOOSTED}@champion": 90, f"{LINEAR}@champion": 10}
    return RouteSpec.model_validate(
        {"route": ROUTE, "schema": {"like": f"{BOOSTED}@champion"}, "rules": [{"split": champions}]}
    )


def _unit(recipe: Recipe) -> str:
    if recipe.unit is None:
        raise DemoError(f"recipe {recipe.name} names no unit")
    return recipe.unit


def _inputs(customers: pl.DataFrame, recipe: Recipe) -> Sequence[Mapping[str, Any]]:
    """The id and the raw features of each customer, as a calling service would have them."""
    known = [column for column in customers.columns if column not in {recipe.label, recipe.time}]
    return customers.select(known).to_dicts()


def _score_and_swap(
    registry: Registry, callers: Callers, first: _Trained, second: _Trained, customers: int, address: str
) -> SwapReport:
    """Starts the callers, moves the champion when half of the customers are scored, and waits for the rest.

    The last quarter is scored after the swap, so that the new champion has customers on a busy machine too.
    """
    model, after = second.key
    scoring = threading.Thread(target=callers.run, name="callers")
    scoring.start()
    try:
        answered = callers.wait_for(customers // 2)
        begun = time.perf_counter()
        snapshot = registry.commit(
            SetAlias(model, "champion", after), author=AUTHOR, message="the longer run is better"
        )
        with scoreline.Client(address) as client:
            while client.status().revision < snapshot.revision:
                time.sleep(0.005)
        adoption = 1000 * (time.perf_counter() - begun)
    finally:
        callers.release()
        scoring.join()
    return SwapReport(first.key[1], after, answered, round(adoption, 1))


def _arm_report(trained: _Trained, customers: pl.DataFrame, answers: Sequence[ScoredCustomer]) -> ArmReport:
    """The calls that one version answered, and how far its scores are from the native model's of the same customers."""
    own = [answer for answer in answers if (answer.model, answer.version) == trained.key]
    data = Dataset.from_table(customers, trained.recipe, inputs=trained.candidate.manifest.inputs)
    native = trained.candidate.fitted.predict(data.batch)
    differences = [abs(answer.score - float(native[answer.row])) for answer in own]
    waits = [answer.milliseconds for answer in own]
    return ArmReport(
        family=trained.recipe.family,
        model=trained.key[0],
        version=trained.key[1],
        auc=round(trained.report.metrics["auc"], 4),
        model_bytes=trained.report.model_bytes,
        scored=len(own),
        p50_ms=round(float(np.percentile(waits, 50)), 3) if waits else 0.0,
        p99_ms=round(float(np.percentile(waits, 99)), 3) if waits else 0.0,
        max_difference=max(differences, default=0.0),
    )


def _problems(arms: Sequence[ArmReport], calls: CallsReport, failures: Sequence[str]) -> list[str]:
    problems = [f"a call failed: {failures[0]}"] if failures else []
    if calls.started != calls.answered + calls.failed:
        problems.append(f"{calls.started - calls.answered - calls.failed} calls were lost")
    for arm in arms:
        if not arm.scored:
            problems.append(f"{arm.model}@{arm.version} scored no customer")
        if arm.max_difference > TOLERANCE:
            problems.append(f"{arm.model}@{arm.version} differs from its native model by {arm.max_difference:.1e}")
    return problems
