"""Scoring from a registry's folder gives what a server of it would."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import scoreline
from scoreline.cli.local import LocalTransport
from scoreline_registry.registry import Registry
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
