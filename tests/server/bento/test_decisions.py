"""What a Bento answers of decisions, without BentoML."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from scoreline.v1 import decisions_pb2 as pb
from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage
from scoreline_registry.versions.route_snapshot import freeze
from scoreline_server.bento.decisions import Case, Decision, decide_request, decision
from scoreline_server.bento.examples import example_policy
from scoreline_server.bento.hosting import Hosted
from scoreline_server.rpc.methods import DECIDE
from scoreline_server.rpc.pipeline import Answer, Call
from tests.server.policies import GUARDIAN
from tests.server.routes import apply
from tests.server.toys import publish_linear

ONCE = "limits: [{name: once, kind: frequency, at_most: 1, per: 1d, actions: [nudge, block]}]\n"


@pytest.fixture
def hosted(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    """A worker of a Bento whose route has two policies."""
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    for text in (GUARDIAN, GUARDIAN.replace("policy: guardian", "policy: limited") + ONCE):
        registry.apply_policy(read_policy(text, source="test"), author="tester", message="apply")
    freeze(registry, "credit", LocalStorage(tmp_path / "frozen"))
    monkeypatch.setenv("SCORELINE_LISTEN", "127.0.0.1:0")
    hosted = Hosted(tmp_path / "frozen", worker=0)
    hosted.start()
    yield hosted
    hosted.stop()


def asked(hosted: Hosted, question: dict[str, Any]) -> Answer:
    request = decide_request(Case.model_validate(question))
    return hosted.server.pipeline.handle(Call(DECIDE, request.SerializeToString()))


def test_a_bento_decides_by_the_policies_that_were_built_with_its_route(hosted: Hosted) -> None:
    answer = asked(
        hosted,
        {
            "policy": "guardian",
            "entity_id": "a",
            "features": {"income": 0.6, "debt": 1},
            "language": "de",
            "trace": True,
        },
    )
    found = decision(pb.DecideResponse.FromString(answer.message))
    assert (found.action, found.message, found.channel) == ("nudge", "Es fehlen 1.", "email")
    assert found.score.prediction_id == found.decision_id
    assert found.trace is not None
    assert [(rule.rule, rule.matched) for rule in found.trace.rules] == [("high", False), ("middle", True)]
    assert found.trace.facts["feature.debt"] == 1.0
    assert Decision.model_validate_json(found.model_dump_json()) == found


def test_limits_need_a_store_that_all_containers_share(hosted: Hosted) -> None:
    refused = asked(hosted, {"policy": "limited", "entity_id": "a", "features": {"income": 3.0}})
    assert (refused.reason, "set limit_store" in refused.details) == ("LIMITS_OFF", True)


def test_bodies_of_another_form_are_refused() -> None:
    for wrong in (
        {},
        {"policy": "p", "unknown": 1},
        {"policy": "p", "reasons": 21},
        {"policy": "p", "request_id": "x" * 129},
    ):
        with pytest.raises(ValidationError):
            Case.model_validate(wrong)


def test_the_example_names_a_policy_of_the_route(hosted: Hosted, registry: Registry) -> None:
    assert example_policy(registry, "credit") in hosted.server.watcher.catalog.policies
    assert example_policy(registry, "elsewhere") == "policy"
