"""Ramps under real calls: challengers that are wrong in one way each, callers, and a clock that can be moved."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.contract import Band, Feature
from scoreline_registry.history.weight_moves import MoveRamp
from scoreline_registry.registry import Registry
from scoreline_registry.routing.ramp import RampMoveName, RampState
from scoreline_server.controllers.ramp_controller import RampController, RampLook
from scoreline_server.loading import loader
from scoreline_server.scoring.model import LoadedModel
from tests.server.carriers import score_by
from tests.server.routes import apply
from tests.server.toys import linear_graph, publish_linear
from tests.server.wire import entity, named
from tests.waiting import wait_until

BANDS = (Band(name="low", from_score=0.0), Band(name="high", from_score=0.6))
FEATURES = tuple(Feature(name=name) for name in ("income", "age", "debt"))
CHAMPION, CHALLENGER = "credit@1", "credit@2"
WEIGHTS = (0.5, 0.0, 0.0)
GUARDS = """
    error_rate: 0.01
    p99_ms: 5000
    score_shift: {limit: 0.05, by: context.channel}
    flip_rate: 0.5
    missing_rate: 0.05
"""
ROUTE = """
route: credit
schema: {{features: {{income: number, age: number, debt: number}}}}
rules: [{{split: {{credit@1: 100, credit@2: 0}}}}]
fallback: credit@1
shadows: {shadows}
ramp:
  arm: credit@2
  steps: {steps}
  hold: {hold}
  guards: {guards}
"""
_RARE = 2.5
_DEBT_SPREAD = 1.52
"""A normal ``debt`` of this spread is above _RARE in 5 % of the rows."""


def publish_champion(registry: Registry) -> None:
    """Publishes credit@1, whose score rises with income."""
    publish_linear(registry, "credit", WEIGHTS, features=FEATURES, bands=BANDS)


def publish_challenger(registry: Registry, weights: tuple[float, float, float] = WEIGHTS, **changes: Any) -> None:
    """Publishes credit@2: as good as the champion, unless it is changed."""
    publish_linear(registry, "credit", weights, features=FEATURES, bands=BANDS, **changes)


def raising_graph() -> onnx.ModelProto:
    """The champion's graph, but ONNX Runtime fails on batches with a row whose debt is rare."""
    model = linear_graph(WEIGHTS)
    graph = model.graph
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([2], np.int64), "debt_column"),
            numpy_helper.from_array(np.array(_RARE, np.float32), "rare"),
            numpy_helper.from_array(np.array([0.0], np.float32), "only"),
        ]
    )
    extra = [
        helper.make_node("Gather", ["clean", "debt_column"], ["debts"], axis=1),
        helper.make_node("Greater", ["debts", "rare"], ["is_rare"]),
        helper.make_node("Cast", ["is_rare"], ["index"], to=TensorProto.INT64),
        # Of one element, so that the index 1 is out of bounds.
        helper.make_node("Gather", ["only", "index"], ["nothing"]),
        helper.make_node("Reshape", ["nothing", "flat"], ["zeros"]),
        helper.make_node("Add", ["sound", "zeros"], ["score"]),
    ]
    for node in graph.node:
        if node.output[0] == "score":
            node.output[0] = "sound"
    graph.node.extend(extra)
    onnx.checker.check_model(model)
    return model


def slow_graph(products: int) -> onnx.ModelProto:
    """The champion's graph, but each batch takes so many products of matrices that add nothing to the scores."""
    model = linear_graph(WEIGHTS)
    graph = model.graph
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.zeros((512, 512), np.float32), "square"),
            numpy_helper.from_array(np.array(0, np.int64), "first"),
        ]
    )
    (score,) = [node for node in graph.node if node.output[0] == "score"]
    score.output[0] = "sound"
    # From the inputs, so that nothing is computed when the model is loaded.
    extra = [
        helper.make_node("Gather", ["logit", "first"], ["number"]),
        helper.make_node("Mul", ["square", "number"], ["product0"]),
        *(helper.make_node("MatMul", [f"product{at}", "square"], [f"product{at + 1}"]) for at in range(products)),
        helper.make_node("ReduceSum", [f"product{products}"], ["nothing"], keepdims=0),
        helper.make_node("Add", ["sound", "nothing"], ["score"]),
    ]
    graph.node.extend(extra)
    onnx.checker.check_model(model)
    return model


class _Slow:
    """A session that takes its time."""

    def __init__(self, session: Any, seconds: float) -> None:
        self._session, self._seconds = session, seconds

    def run(self, *arguments: Any) -> Any:
        """Runs the graph, later."""
        time.sleep(self._seconds)
        return self._session.run(*arguments)


def load_slowly(registry: Registry, name: str, version: int) -> LoadedModel:
    """Loads versions; the challenger takes 50 ms for each batch."""
    model = loader.load(registry, name, version)
    return replace(model, session=_Slow(model.session, 0.05)) if version == 2 else model


def ramp_route(
    registry: Registry, *, steps: str = "[20, 100]", guards: str = GUARDS, hold: str = "1h", shadowed: bool = False
) -> None:
    """Applies the route and starts its ramp."""
    guards = "".join(f"\n    {line.strip()}" for line in guards.strip().splitlines())
    shadows = "[{model: credit@2}]" if shadowed else "[]"
    apply(registry, ROUTE.format(steps=steps, guards=guards, hold=hold, shadows=shadows))
    move(registry, "start")


def move(registry: Registry, name: RampMoveName) -> None:
    """Moves the ramp as a person does."""
    registry.commit(MoveRamp("credit", name), author="tester", message=name)


def state_of(registry: Registry) -> RampState:
    """Where the ramp stands."""
    state = registry.latest().routes["credit"].ramp_state
    assert state is not None
    return state


def share_of(registry: Registry, arm: str = CHALLENGER) -> float:
    """The percentage of an arm."""
    return sum(each.millionths for each in registry.latest().routes["credit"].rules[-1].arms if each.ref == arm) / 1e4


class MovedClock:
    """The clock of a controller: real time, and what was added."""

    def __init__(self) -> None:
        self.added = 0.0

    def now(self) -> datetime:
        """The time of day."""
        return datetime.now(UTC) + timedelta(seconds=self.added)

    def monotonic(self) -> float:
        """A clock that never jumps; waiting is no jump."""
        return time.monotonic() + self.added


def controller(registry: Registry, clock: MovedClock) -> RampController:
    """A controller of the registry beside its default journal."""
    own = Registry.open(registry.storage, clock=clock.now)
    return RampController(own, [journal_of(registry)], monotonic=clock.monotonic)


def journal_of(registry: Registry) -> Path:
    """The default folder of the registry's journal."""
    root = Path(str(registry.storage).removeprefix("file://"))
    return root.with_name(f"{root.name}-journal")


class Callers:
    """Score units that were never seen before, one call after another, until they are stopped."""

    def __init__(self, channel: grpc.Channel, *, rows: int = 8) -> None:
        self._score, self._rows = score_by(channel), rows
        self._random = np.random.default_rng(0)
        self._stop = threading.Event()
        self.scored = 0
        self.failures: list[grpc.RpcError] = []

    def run(self) -> None:
        """Calls until it is stopped."""
        while not self._stop.is_set():
            try:
                answer = self._score(self._request(), timeout=30)
                self.scored += len(answer.scores)
            except grpc.RpcError as error:
                self.failures.append(error)

    def stop(self) -> None:
        """Ends after the present call."""
        self._stop.set()

    def _request(self) -> pb.ScoreRequest:
        entities = []
        for row in range(self._rows):
            channel = int(self._random.integers(3))
            income, debt = self._random.normal(size=2).tolist()
            entities.append(
                entity(
                    f"unit-{self.scored + row}-{self._random.integers(2**40)}",
                    context={"channel": ("web", "shop", "app")[channel]},
                    income=income,
                    age=(1.0, -1.0, 0.0)[channel],
                    debt=_DEBT_SPREAD * debt,
                )
            )
        return named(*entities)


@contextmanager
def calls(channel: grpc.Channel) -> Iterator[Callers]:
    """Callers that score while the block runs; no call may fail."""
    callers = Callers(channel)
    thread = threading.Thread(target=callers.run)
    thread.start()
    try:
        yield callers
    finally:
        callers.stop()
        thread.join(60)
    assert not callers.failures, callers.failures[0]


def look_until(controllers: RampController, holds: Callable[[], bool]) -> list[RampLook]:
    """Looks again and again until something holds; the looks that moved."""
    moves: list[RampLook] = []

    def looked() -> bool:
        moves.extend(look for look in controllers.look() if look.move)
        return holds()

    wait_until(looked)
    return moves
