"""What a Bento is made of, without BentoML: its questions and answers, its requirements, its life."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

import scoreline
from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.contract import Feature
from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage
from scoreline_registry.versions.route_snapshot import freeze
from scoreline_server.bento import messages
from scoreline_server.bento.context import read_facts, write_facts
from scoreline_server.bento.examples import example_entity, with_example
from scoreline_server.bento.hosting import Hosted, in_one_line, prepare, settings_of
from scoreline_server.bento.middleware import Bounded
from scoreline_server.bento.packing import closure, constraints
from scoreline_server.errors import StartError
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from scoreline_server.rpc.methods import SCORE
from scoreline_server.rpc.pipeline import Call
from tests.server.profiles import profile, purchase
from tests.server.routes import apply
from tests.server.toys import publish_linear

PURCHASE = ("purchases", "amount", "over")
PROFILED = """
route: credit
schema: {like: linear@1}
rules: [{split: {linear@1: 100}}]
profiles: {spending: {}}
"""


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
    request = messages.score_request("credit", messages.Many(entities=[entity]))
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


def test_a_bento_scores_from_the_state_of_a_store_that_servers_share(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_linear(registry, "linear", features=tuple(Feature(name=name) for name in PURCHASE))
    registry.apply_profile(profile(), author="tester", message="apply")
    apply(registry, PROFILED)
    freeze(registry, "credit", LocalStorage(tmp_path / "frozen"))
    store = SqliteStore(tmp_path / "profiles.sqlite")
    store.append("spending", [purchase("ann", 0, 10), purchase("ann", 1, 20)], lateness=0)
    store.close()
    monkeypatch.setenv("SCORELINE_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("SCORELINE_PROFILE_STORE", f"sqlite:{tmp_path / 'profiles.sqlite'}")
    monkeypatch.setenv("SCORELINE_PROFILE_READ_SECONDS", "30")
    event = {"type": "purchase", "time": "2030-01-01T00:00:00Z", "fields": {"amount": 30.0, "category": None}}
    hosted = Hosted(tmp_path / "frozen", worker=0)
    hosted.start()
    try:
        from_state = asked(hosted, {"entity_id": "ann", "event": event})
        by_hand = asked(hosted, {"entity_id": "nobody", "features": {"purchases": 2.0, "amount": 30.0, "over": 2.0}})
    finally:
        hosted.stop()
    assert (from_state.score, from_state.profile_state) == (by_hand.score, "READ")
    assert (by_hand.profile_state, by_hand.quality) == ("NEW", {})


def test_outcomes_are_taken_over_grpc_once_there_is_a_journal(
    frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("", str(tmp_path / "journal")):
        if folder:
            monkeypatch.setenv("SCORELINE_JOURNAL_DIR", folder)
        hosted = Hosted(frozen / "registry", worker=0)
        hosted.start()
        try:
            with scoreline.Client(hosted.server.address) as client:
                score = client.score("credit", {"income": 0.1, "age": 1.0, "debt": 2.0}, entity_id="a")
                outcomes = [scoreline.Outcome("default", 1, prediction_id=score.prediction_id)]
                if folder:
                    report = client.report_outcomes("credit", outcomes)
                    assert (report.accepted, report.unknown) == (1, ())
                else:
                    with pytest.raises(scoreline.ScorelineError, match="set journal_dir"):
                        client.report_outcomes("credit", outcomes)
        finally:
            hosted.stop()


def test_the_example_of_a_route_is_scored_by_it(frozen: Path) -> None:
    hosted = Hosted(frozen / "registry", worker=0)
    hosted.start()
    try:
        assert asked(hosted, example_entity(Registry.open(frozen / "registry"), "credit")).problem is None
    finally:
        hosted.stop()
    assert not hosted.ready


def test_the_example_of_a_route_is_scored_by_each_of_its_arms(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCORELINE_LISTEN", "127.0.0.1:0")
    for name, vocabulary, least in (("one", ("a", "b"), 5.0), ("other", ("c", "b"), -5.0)):
        status = Feature(name="status", kind="category", vocabulary=vocabulary, unseen="refuse", required=True)
        income = Feature(name="income", min=least, max=least + 12)
        publish_linear(registry, name, (1.0, 1.0), features=(income, status), aliases=("champion",))
    split = "{one@champion: 50, other@champion: 50}"
    apply(registry, f"route: credit\nschema: {{like: one@champion}}\nsalt: x\nrules: [{{split: {split}}}]\n")
    example = example_entity(registry, "credit")
    assert example["features"] == {"income": 6.0, "status": "b"}
    freeze(registry, "credit", LocalStorage(tmp_path / "frozen"))
    hosted = Hosted(tmp_path / "frozen", worker=0)
    hosted.start()
    try:
        scored = [asked(hosted, {**example, "entity_id": f"customer-{number}"}) for number in range(20)]
    finally:
        hosted.stop()
    assert [score.problem for score in scored] == [None] * 20
    assert {score.model for score in scored} == {"one", "other"}


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


@pytest.mark.parametrize(
    "body", ["secret", '{"entity_id": 4711}', '{"features": {"income": {"of": 4711}}}', '{"features": [4711]}']
)
def test_what_was_sent_is_not_in_a_refusal_which_bentoml_logs(body: str) -> None:
    with pytest.raises(ValueError, match="One") as refused:
        with_example(messages.One, {}).model_validate_json(body)
    assert "secret" not in str(refused.value)
    assert "4711" not in str(refused.value)


def test_a_crowd_is_refused_before_it_is_turned_into_messages() -> None:
    with pytest.raises(ValueError, match="at most 1024 items"):
        messages.Many.model_validate({"entities": [{}] * 1025})
    assert len(messages.Many.model_validate({"entities": [{}] * 1024}).entities) == 1024


def test_an_example_leaves_a_question_its_name() -> None:
    one, many = (with_example(kind, {"a": 1}) for kind in (messages.One, messages.Many))
    assert (one.__name__, many.__name__) == ("One", "Many")
    assert one.model_json_schema()["example"] == {"a": 1}


def test_what_keeps_a_bento_from_starting_is_one_line() -> None:
    with pytest.raises(click.ClickException, match=r"^cannot listen on 127\.0\.0\.1:1$"), in_one_line():
        raise StartError("cannot listen on 127.0.0.1:1")


def test_several_workers_cannot_share_a_socket_of_a_file(frozen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORELINE_LISTEN", f"unix:{frozen}/socket")
    monkeypatch.setenv("SCORELINE_WORKERS", "2")
    with pytest.raises(StartError, match="2 workers cannot share unix:"):
        prepare(frozen)


def sent(
    parts: Sequence[bytes], *, declared: int | None = None, headers: Sequence[tuple[bytes, bytes]] = ()
) -> tuple[int, bytes, int]:
    """Status and body that a body in parts gets where 10 bytes are allowed, and how many parts were taken."""
    asked, answered, started = 0, b"", 0

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(await Request(scope, receive).body())(scope, receive, send)

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": parts[asked - 1], "more_body": asked < len(parts)}

    async def send(message: Message) -> None:
        nonlocal answered, started
        started = message.get("status", started)
        answered += message.get("body", b"")

    length = [] if declared is None else [(b"content-length", str(declared).encode())]
    scope = {"type": "http", "method": "POST", "path": "/score", "headers": [*headers, *length]}
    asyncio.run(Bounded(echo, most_bytes=10)(scope, receive, send))
    return started, answered, asked


@pytest.mark.parametrize("parts", [[b""], [b"0123456789"], [b"01234", b"", b"56789"]])
def test_a_body_of_allowed_length_arrives_as_it_was_sent(parts: Sequence[bytes]) -> None:
    assert sent(parts) == (200, b"".join(parts), len(parts))


@pytest.mark.parametrize("declared", [None, 12, 10**6])
def test_a_longer_body_is_refused_and_no_more_than_as_much_again_is_read(declared: int | None) -> None:
    status, body, asked = sent([b"012345"] * 9, declared=declared)
    assert status == 413
    assert asked <= 4
    assert "max_message_bytes, 10" in json.loads(body)["error"]


def test_a_caller_who_asks_before_sending_is_refused_before_sending() -> None:
    assert sent([b"012345"] * 2, declared=12, headers=[(b"expect", b"100-continue")])[::2] == (413, 0)


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
