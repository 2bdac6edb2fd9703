"""``scoreline.testing``: the real engine with scores that a test can compute."""

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

import scoreline
from scoreline.testing import FakeRoute, FakeServer
from scoreline_registry.registry import Registry
from tests.server.routes import apply
from tests.server.toys import publish_linear, sigmoid

CREDIT = FakeRoute(
    weights={"income": -0.001, "age": 0.02, "status": {"employed": -0.5, "student": 0.25}},
    bias=0.3,
    required=["income"],
    bands={"low": 0.0, "high": 0.5},
)
NEVER = scoreline.RetryPolicy(max_attempts=1)


@pytest.mark.parametrize(
    "features",
    [
        {"income": 900.0, "age": 41, "status": "employed"},
        {"income": 0.0, "age": None, "status": "student"},
        {"income": 12.5, "age": 18.0, "status": "pirate"},
        {"income": 4200.0},
    ],
)
def test_scores_are_what_the_route_says(features: dict[str, float | str | None]) -> None:
    with FakeServer({"credit": CREDIT}) as server, scoreline.Client(server.target) as client:
        score = client.score("credit", features, entity_id="c-17")
    assert score.score == pytest.approx(CREDIT.score(features), abs=1e-6)
    assert score.band == ("high" if score.score >= 0.5 else "low")
    assert (score.model, score.version) == ("credit", 1)


def test_what_production_refuses_is_refused() -> None:
    with FakeServer({"credit": CREDIT}) as server, scoreline.Client(server.target) as client:
        with pytest.raises(scoreline.EntityFailedError, match="income"):
            client.score("credit", {"age": 41})
        with pytest.raises(scoreline.InvalidRequestError, match="incom"):
            client.score("credit", {"incom": 4200.0})
        with pytest.raises(scoreline.RouteNotFoundError):
            client.score("churn", {"income": 4200.0})


def test_a_constant_is_everyones_score() -> None:
    with (
        FakeServer({"churn": FakeRoute.constant(0.8, "visits")}) as server,
        scoreline.Client(server.target) as client,
    ):
        scores = client.score_many("churn", {"visits": [0.0, 5.0, None]}, entity_ids=["a", "b", "c"])
    assert scores.scores.tolist() == pytest.approx([0.8] * 3, abs=1e-6)


def test_a_route_can_be_put_while_it_is_served() -> None:
    with FakeServer({"churn": FakeRoute.constant(0.8, "visits")}) as server, scoreline.Client(server.target) as client:
        server.put("churn", FakeRoute.constant(0.1, "visits"))
        server.put("credit", CREDIT)
        assert client.score("churn", {"visits": 1.0}).score == pytest.approx(0.1, abs=1e-6)
        assert client.score("credit", {"income": 0.0}).score == pytest.approx(CREDIT.score({"income": 0.0}), abs=1e-6)


def test_a_stopped_server_is_unavailable_and_comes_back_at_the_same_address() -> None:
    with FakeServer({"churn": FakeRoute.constant(0.8, "visits")}) as server:
        target = server.target
        with scoreline.Client(target, retry=NEVER) as client:
            client.score("churn", {"visits": 1.0})
            server.stop()
            with pytest.raises(scoreline.UnavailableError):
                client.score("churn", {"visits": 1.0})
        server.start()
        assert server.target == target
        with scoreline.Client(target) as client:
            assert client.score("churn", {"visits": 1.0}).score == pytest.approx(0.8, abs=1e-6)


def test_any_registry_can_be_served(tmp_path: Path) -> None:
    registry = Registry.create(tmp_path)
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    with FakeServer(registry=tmp_path) as server, scoreline.Client(server.target) as client:
        assert client.score("credit", {"income": 1.0}).score == pytest.approx(float(sigmoid(1.0)), abs=1e-6)


def test_the_environment_of_a_developer_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORELINE_LISTEN", "nowhere")
    monkeypatch.setenv("SCORELINE_TLS_CERTIFICATE_FILE", "none")
    with FakeServer({"churn": FakeRoute.constant(0.8, "visits")}) as server:
        assert server.target.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("route", "says"),
    [
        (FakeRoute, "a route needs a feature"),
        (lambda: FakeRoute(weights={"income": float("nan")}), "the weight of 'income'"),
        (lambda: FakeRoute(weights={"status": {}}), "the weight of 'status'"),
        (lambda: FakeRoute(weights={"income": 1.0}, required=["age"]), "required, but without a weight: age"),
        (lambda: FakeRoute.constant(1.0, "income"), "between 0 and 1"),
        (lambda: FakeRoute(weights={"income": cast("float", "much")}), "the weight of 'income'"),
        (lambda: FakeRoute(weights={"income": 1.0}, bias=float("nan")), "the bias and the score of every band"),
        (
            lambda: FakeRoute(weights={"income": 1.0}, bands={"low": float("nan")}),
            "the bias and the score of every band",
        ),
        (lambda: FakeRoute(weights={"income": 1.0}, required="income"), "required takes a list of names"),
    ],
)
def test_a_route_that_cannot_be_is_refused(route: object, says: str) -> None:
    assert callable(route)
    with pytest.raises(ValueError, match=says):
        route()


def test_it_takes_routes_or_a_registry_and_is_started_before_it_is_asked() -> None:
    with pytest.raises(ValueError, match="either routes or registry"):
        FakeServer()
    with pytest.raises(TypeError, match="no setting theads"):
        FakeServer({"credit": CREDIT}, theads=2)
    with pytest.raises(RuntimeError, match="not started"):
        _ = FakeServer({"credit": CREDIT}).target


@pytest.mark.parametrize("absent", ["onnx", "onnxruntime", "structlog"])
def test_without_its_extra_it_says_which_one(absent: str) -> None:
    code = f"import sys; sys.modules[{absent!r}] = None\nimport scoreline.testing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith(f"ImportError: scoreline.testing needs {absent}")
    assert "pip install 'scoreline[testing]'" in done.stderr


@pytest.mark.parametrize("income", [-1e30, -1e6, -800.0, 800.0, 1e6, 1e30])
def test_a_score_at_the_end_of_its_range_is_computed_as_well(income: float) -> None:
    expected = 0.0 if income > 0 else 1.0
    assert FakeRoute(weights={"income": -1.0}).score({"income": income}) == pytest.approx(expected)


def test_a_score_of_a_feature_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no feature incom$"):
        CREDIT.score({"incom": 1.0})


@pytest.mark.parametrize("settings", [{"threads": "many"}, {"max_queue_seconds": -1.0}, {"tls_key_file": "key.pem"}])
def test_a_setting_that_cannot_be_is_refused_before_the_start(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"threads|max_queue_seconds|tls_key_file"):
        FakeServer({"credit": CREDIT}, **settings)


def test_settings_are_taken_as_the_server_takes_them() -> None:
    with (
        FakeServer({"credit": CREDIT}, threads="2", max_message_bytes=2048) as server,
        scoreline.Client(server.target, retry=NEVER) as client,
    ):
        assert client.score("credit", {"income": 1.0}).version == 1
        with pytest.raises(scoreline.OverloadedError):
            client.score("credit", {"income": 1.0}, entity_id="x" * 4096)
