"""Scoring from a registry's folder gives what a server of it would."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import scoreline
from scoreline.cli.local import LocalTransport
from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.profiles.events import Event
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_server.local import LocalScorer
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from tests.server.routes import apply
from tests.server.toys import publish_linear, sigmoid


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A registry with one linear model behind the route ``credit``."""
    registry = Registry.create(str(tmp_path / "registry"))
    publish_linear(registry, "linear", (0.1, 0.01, 0.0), aliases=("champion",))
    apply(registry)
    return str(tmp_path / "registry")


def test_a_folder_scores_without_a_server(folder: str) -> None:
    with scoreline.Client(transport=LocalTransport(folder)) as client:
        score = client.score("credit", {"income": 1.0, "age": 30.0})
        many = client.score_many("credit", {"income": [1.0] * 2000, "age": [30.0] * 2000})
    assert score.score == pytest.approx(sigmoid(0.1 + 0.3))
    assert many.scores == pytest.approx(score.score)


def test_local_errors_are_those_of_a_server(folder: str) -> None:
    with scoreline.Client(transport=LocalTransport(folder)) as client:
        with pytest.raises(scoreline.RouteNotFoundError):
            client.score("churn", {})
        with pytest.raises(scoreline.EntityFailedError, match="income"):
            client.score("credit", {"age": 30.0})


def test_the_command_scores_locally_and_prints_nothing_else(folder: str) -> None:
    main = "import sys; from scoreline.cli import main; sys.exit(main())"
    arguments = ["score", "credit", "--local", "--registry", folder, "--set", "income=1", "--json"]
    done = subprocess.run([sys.executable, "-c", main, *arguments], capture_output=True, text=True, check=True)
    assert (json.loads(done.stdout)["model"], done.stderr) == ("linear", "")


PROFILED = """
route: credit
schema: {features: {income: number, age: number, debt: number}}
rules: [{split: {linear@champion: 100}}]
profiles: {spending: {}}
"""
AGES = """
profile: spending
events: {visit: {fields: {age: number}}}
features:
  debt: {aggregate: count}
"""


def test_local_scores_are_from_the_state_that_servers_keep(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry.open(folder)
    registry.apply_profile(read_profile(AGES, source="test"), author="tester", message="apply")
    publish_linear(registry, "linear", (0.1, 0.01, 0.5))
    registry.commit(SetAlias("linear", "champion", 2), author="tester", message="move")
    apply(registry, PROFILED)
    store = SqliteStore(Path(f"{folder}-journal") / "profiles.sqlite")
    store.append("spending", [Event("ann", str(at), at, "visit", {}) for at in range(3)], lateness=0)
    store.close()
    sent = pb.Entity(entity_id="ann", features={"income": pb.Value(number=1)})
    sent.event.CopyFrom(pb.Event(type="visit", fields={"age": pb.Value(number=30)}))
    request = pb.ScoreRequest(route="credit", entities=[sent])
    (score,) = LocalScorer(folder).score(request).scores
    assert score.score == pytest.approx(sigmoid(0.1 + 0.3 + 1.5))
    assert score.quality.profile_state == pb.PROFILE_STATE_READ
    for place in ("off", f"sqlite:{folder}-elsewhere/profiles.sqlite"):
        monkeypatch.setenv("SCORELINE_PROFILE_STORE", place)
        with capture_logs() as logs:
            (without,) = LocalScorer(folder).score(request).scores
        assert without.score == pytest.approx(sigmoid(0.1 + 0.3))
        assert without.quality.profile_state == pb.PROFILE_STATE_UNREACHABLE
        assert any("set SCORELINE_PROFILE_STORE" in line["event"] for line in logs)
    assert not Path(f"{folder}-elsewhere").exists()
