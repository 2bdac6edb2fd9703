"""Categories inside steps: from a table to a network, over the wire, and back."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import polars as pl
import pytest

pytest.importorskip("torch", reason="needs the extra deep")

import scoreline
from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train

STATUSES = ("closed", "late", "paid")
RECIPE = {
    "name": "status",
    "data": "unused.csv",
    "label": "label",
    "features": ["age"],
    "sequence": {"entity": "person", "order": "day", "features": ["spent", "status"], "categories": ["status"]},
    "family": "lstm",
    "config": {"hidden": [6], "head": 4, "epochs": 20, "patience": 20, "batch_size": 32, "learning_rate": 0.02},
}


def statuses(people: int = 300, *, seed: int = 0, names: tuple[str, ...] = STATUSES) -> pl.DataFrame:
    """One row per person and day; who was late has the label 1 more often. Some statuses are missing."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, 7, people)
    person = np.repeat(np.arange(people), lengths)
    status = draw.integers(0, len(names), len(person))
    late = np.bincount(person, weights=np.array(names)[status] == "late")
    label = (draw.random(people) < 1 / (1 + np.exp(-(3 * late - 2)))).astype(np.int8)
    return pl.DataFrame(
        {
            "person": [f"p{number}" for number in person],
            "day": np.concatenate([np.arange(length) for length in lengths]),
            "spent": draw.lognormal(3, 1, len(person)),
            "status": [None if draw.random() < 0.05 else names[code] for code in status],
            "age": draw.normal(40, 10, people)[person],
            "label": label[person],
        }
    )


@dataclass(frozen=True)
class Served:
    """Two versions of the model of different vocabularies, and the server of a route of the first one's schema."""

    candidates: tuple[Candidate, Candidate]
    registry: Registry
    folder: str
    address: str
    client: scoreline.Client


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("steps") / "registry"
    registry = Registry.create(folder)
    recipe = Recipe.parse(RECIPE)
    first = train(recipe, statuses())
    second = train(recipe, statuses(seed=1, names=("frozen", "late", "paid", "written off")))
    for candidate in (first, second):
        publish_candidate(candidate, recipe, registry, author="tester")
    route(registry, "status@1", {"status@1": 100})
    with (
        Server(Settings(registry=str(folder), listen="127.0.0.1:0", log_level="error")) as server,
        scoreline.Client(server.address, timeout_seconds=60) as client,
    ):
        yield Served((first, second), registry, str(folder), server.address, client)


def route(registry: Registry, like: str, split: dict[str, int], name: str = "status") -> None:
    spec = {"route": name, "schema": {"like": like}, "rules": [{"split": split}]}
    registry.apply_route(RouteSpec.model_validate(spec), author="tester", message="test")


def entities(frame: pl.DataFrame) -> list[scoreline.Entity]:
    return [
        scoreline.Entity(
            entity_id=str(person),
            features={"age": rows["age"][-1]},
            sequence=rows.select("spent", "status").to_dicts(),
        )
        for (person,), rows in frame.group_by("person", maintain_order=True)
    ]


def native(candidate: Candidate, frame: pl.DataFrame) -> Any:
    data = Dataset.from_table(frame, Recipe.parse(RECIPE), inputs=candidate.manifest.inputs)
    return candidate.fitted.predict(data.batch)


def test_the_contract_has_the_names_of_the_training_rows(served: Served) -> None:
    sequence = served.candidates[0].manifest.inputs.sequence
    assert sequence is not None
    assert sequence.vocabularies == {"status": STATUSES}
    schema = served.client.schema("status")
    assert schema.sequence is not None
    assert schema.sequence.vocabularies == {"status": STATUSES}


def test_steps_are_sent_by_name_and_scored_as_the_native_model_does(served: Served) -> None:
    frame = statuses(40, seed=3, names=(*STATUSES, "never seen"))
    scores = served.client.score_many("status", entities(frame))
    assert not scores.errors
    np.testing.assert_allclose(scores.scores, native(served.candidates[0], frame), rtol=0, atol=1e-5)
    first = entities(frame)[0]
    one = served.client.score("status", first.features, sequence=first.sequence)
    assert one.score == pytest.approx(scores.scores[0], abs=1e-6)


def test_a_status_changes_the_score(served: Served) -> None:
    def score(status: str | None) -> float:
        steps = [{"spent": 20.0, "status": status}] * 3
        return served.client.score("status", {"age": 40.0}, sequence=steps).score

    assert score("late") > score("paid") + 0.05
    assert len({score("late"), score(None), score("never seen")}) == 3


def test_the_named_form_takes_categories_too(served: Served) -> None:
    frame = statuses(20, seed=4)
    with grpc.insecure_channel(served.address) as channel:
        request = pb.ScoreRequest(route="status", entities=map(message_of, entities(frame)))
        answer = rpc.ScoringServiceStub(channel).Score(request)
    found = [score.score for score in answer.scores]
    np.testing.assert_allclose(found, native(served.candidates[0], frame), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (pb.Step(features={"status": 1}), "'status' is a category, send its name"),
        (pb.Step(categories={"spent": "much"}), "'spent' is a number, got a text"),
        (pb.Step(categories={"stat": "late"}), "did you mean 'status'"),
    ],
)
def test_steps_of_the_wrong_kind_are_refused(served: Served, step: pb.Step, message: str) -> None:
    wrong = pb.Entity(entity_id="a", sequence=pb.Sequence(steps=[step]))
    with grpc.insecure_channel(served.address) as channel, pytest.raises(grpc.RpcError) as refused:
        rpc.ScoringServiceStub(channel).Score(pb.ScoreRequest(route="status", entities=[wrong]))
    assert isinstance(refused.value, grpc.Call)
    assert message in str(refused.value.details())


def test_the_sdk_refuses_a_number_where_a_name_belongs(served: Served) -> None:
    with pytest.raises(scoreline.InvalidRequestError, match=r"status.*a category's name as text"):
        served.client.score("status", {}, sequence=[{"spent": 1.0, "status": 2.0}])


def test_an_arm_of_another_vocabulary_reads_the_names_by_its_own(served: Served) -> None:
    route(served.registry, "status@1", {"status@2": 100}, name="other")
    frame = statuses(40, seed=5)
    with (
        Server(Settings(registry=served.folder, listen="127.0.0.1:0", log_level="error")) as server,
        scoreline.Client(server.address, timeout_seconds=60) as client,
    ):
        scores = client.score_many("other", entities(frame))
    np.testing.assert_allclose(scores.scores, native(served.candidates[1], frame), rtol=0, atol=1e-5)
    assert np.abs(scores.scores - native(served.candidates[0], frame)).max() > 1e-3


def message_of(entity: scoreline.Entity) -> pb.Entity:
    assert isinstance(entity.sequence, list)
    return pb.Entity(
        entity_id=str(entity.entity_id),
        features={"age": pb.Value(number=float(str(entity.features["age"])))},
        sequence=pb.Sequence(
            steps=[
                pb.Step(
                    features={"spent": float(str(step["spent"]))},
                    categories={} if step["status"] is None else {"status": str(step["status"])},
                )
                for step in entity.sequence
            ]
        ),
    )
