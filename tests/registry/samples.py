"""Small manifests, routes and publications that the registry's tests share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scoreline_registry.documents.contract import Feature, InputContract, ScoreContract, SequenceContract
from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.history.changes import Change
from scoreline_registry.history.state import State
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_spec import RouteSpec

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODEL_BYTES = b"a model file"


def manifest(
    *features: Feature, sequence: SequenceContract | None = None, metrics: Mapping[str, float] | None = None
) -> Manifest:
    """A manifest of a model that takes these features, ``income`` where none are given."""
    taken = features or ((Feature(name="income", required=True),) if sequence is None else ())
    return Manifest(
        family="lightgbm",
        inputs=InputContract(features=taken, sequence=sequence),
        score=ScoreContract(meaning="probability of default"),
        metrics=dict(metrics or {}),
        created_at=MOMENT,
    )


def publish(
    registry: Registry,
    model: str = "credit",
    *features: Feature,
    aliases: Sequence[str] = (),
    data: bytes = MODEL_BYTES,
    sequence: SequenceContract | None = None,
) -> int:
    """Publishes a version that takes these features."""
    return registry.publish(
        model,
        files={"model.onnx": data, "golden.npz": b"golden"},
        manifest=manifest(*features, sequence=sequence),
        author="tester",
        message=f"publish {model}",
        aliases=aliases,
    )


def spec(split: Mapping[str, object] | None = None, **changes: Any) -> RouteSpec:
    """A route named ``credit`` with one rule; ``changes`` replace or add keys as they stand in YAML."""
    written: dict[str, Any] = {
        "route": "credit",
        "schema": {"features": {"income": "number"}},
        "rules": [{"split": split or {"credit@champion": 100}}],
    }
    return RouteSpec.model_validate({**written, **changes})


@dataclass(frozen=True)
class Edit(Change):
    """Any function of the state as a change."""

    edit: Callable[[State], State]

    def apply(self, state: State) -> State:
        return self.edit(state)


def apply(registry: Registry, route: RouteSpec) -> None:
    """Applies a route."""
    registry.apply_route(route, author="tester", message="apply")
