"""What a Bento is made of, without BentoML: its questions and answers, its requirements, its life."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.freezing import freeze
from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage
from scoreline_server.bento import messages
from scoreline_server.bento.context import read_facts, write_facts
from scoreline_server.bento.examples import example_entity
from scoreline_server.bento.hosting import Hosted, settings_of
from scoreline_server.bento.packing import closure, constraints
from scoreline_server.methods import SCORE
from scoreline_server.pipeline import Call
from tests.server.conftest import apply
from tests.server.toys import publish_linear


@pytest.fixture
def frozen(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a Bento of the route credit is built from."""
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    folder = tmp_path / "bento"
    write_facts(folder, freeze(registry, "credit", LocalStorage(folder / "registry")))
    monkeypatch.setenv("SCORELINE_LISTEN", "127.0.0.1:0")
    return folder


def asked(hosted: Hosted, question: dict[str, Any]) -> messages.Score:
    """What HTTP would answer."""
    entity = messages.Entity.model_validate(question)
    request = messages.score_request("credit", [entity], [], "")
    answer = hosted.server.pipeline.handle(Call(SCORE, request.SerializeToString()))
    assert answer.error is None, answer.details
    return messages.answer(pb.ScoreResponse.FromString(answer.message)).score


def test_a_score_survives_json_to_the_last_bit(frozen: Path) -> None:
    hosted = Hosted(frozen / "registry", worker=0)
    hosted.start()
    try:
        score = asked(hosted, {"entity_id": "a", "features": {"income": 0.1, "age": None, "debt": 2}})
    finally:
        hosted.stop()
    again = messages.Score.model_validate_json(score.model_dump_json())
    assert again.score == float(np.float32(again.score or 0)) == score.score
    assert (again.arm, again.quality) == ("linear@champion", {"defaulted": 1})


def test_the_example_of_a_route_is_scored_by_it(frozen: Path) -> None:
    hosted = Hosted(frozen / "registry", worker=0)
    hosted.start()
    try:
        assert asked(hosted, example_entity(Registry.open(frozen / "registry"), "credit")).problem is None
    finally:
        hosted.stop()
    assert not hosted.ready


def test_the_facts_name_the_revision_and_every_model(frozen: Path, registry: Registry) -> None:
    facts = read_facts(frozen)
    assert (facts.revision, facts.registry_id) == (registry.latest().revision, registry.registry_id)
    assert [(one.model, one.version) for one in facts.versions] == [("linear", 1)]


def test_a_container_opens_grpc_as_bentoml_opens_http(frozen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCORELINE_LISTEN")
    assert settings_of(frozen).listen == "127.0.0.1:50051"
    monkeypatch.setenv("BENTOML_CONTAINERIZED", "true")
    assert settings_of(frozen).listen == "0.0.0.0:50051"
    assert settings_of(frozen).journal_dir == "off"


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValueError, match="featurez"):
        messages.One.model_validate({"featurez": {}})


def test_requirements_follow_extras_and_markers_of_others() -> None:
    own = {
        "": ["numpy>=2"],
        "bento": ["scoreline[server]; extra == 'bento'"],
        "server": ["web[fast]; extra == 'server'"],
    }
    others = {
        "numpy": [],
        "web": ["core", "speed; extra == 'fast'", "slow; extra == 'slow'", "old; python_version < '3'"],
        "core": ["web"],
        "speed": [],
    }
    assert closure(own, others.__getitem__) == {"numpy", "web", "core", "speed"}


def test_the_constraints_name_bentoml() -> None:
    assert "\nbentoml==1.4.39\n" in constraints()
