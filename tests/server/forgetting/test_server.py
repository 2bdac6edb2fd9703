"""A running server forgets entities in the files that it writes, by its call and for commands beside it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from scoreline import Client, Outcome
from scoreline.cli.app import scoreline
from scoreline_registry.registry import Registry
from scoreline_server.analysis.comparison.comparison import Request, compare
from scoreline_server.analysis.comparison.plans import Options, metric_of
from scoreline_server.app import Server
from scoreline_server.forgetting.requests import request_files
from scoreline_server.journal.reading.reader import read_records
from scoreline_server.outcomes.reader import read_outcomes
from scoreline_server.settings import Settings
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.waiting import wait_until

GONE = "person-4711"
HALVES = """
route: credit
schema: {features: {income: number, age: number, debt: number}}
rules: [{split: {linear@1: 50, other@1: 50}}]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forgetting")
    registry = Registry.create(str(folder / "registry"))
    for name in ("linear", "other"):
        publish_linear(registry, name)
    apply(registry, HALVES)
    return folder


@pytest.fixture(scope="module")
def client(place: Path) -> Iterator[Client]:
    settings = Settings(registry=str(place / "registry"), listen="127.0.0.1:0", journal_fsync_seconds=0.05)
    with Server(settings) as server, Client(server.address) as client:
        yield client


def score(client: Client, *entities: str) -> None:
    """Scores entities and reports an outcome of each, once by its prediction and once by its unit."""
    features = {"income": 1.0, "age": 2.0, "debt": 3.0}
    ids = [client.score("credit", features, entity_id=entity).prediction_id for entity in entities]
    client.report_outcomes("credit", [Outcome("paid", 1.0, prediction_id=each) for each in ids])
    client.report_outcomes("credit", [Outcome("won", 1.0, unit=entity, since=1, until=2) for entity in entities])


def entities(folder: Path) -> list[str]:
    return [str(row["entity_id"]) for records in read_records([folder]) for row in records.rows()]


def is_named(folder: Path, entity: str = GONE) -> bool:
    return any(entity.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_the_call_answers_at_once_and_the_files_follow(client: Client, place: Path) -> None:
    journal = place / "registry-journal"
    others = [f"other {at}" for at in range(20)]
    score(client, *others[:10], GONE, GONE, *others[10:])
    wait_until(lambda: entities(journal).count(GONE) == 2)
    answer = client.forget(GONE)
    assert (answer.profiles, len(answer.remaining)) == ((), 2)
    assert "removed in the background, within seconds" in answer.remaining[0]
    wait_until(lambda: not request_files(journal) and not is_named(journal))
    assert sorted(entities(journal)) == sorted(others)
    assert sum(len(block) for block in read_outcomes([journal])) == 40
    score(client, GONE, "later")
    wait_until(lambda: len(entities(journal)) == 22)
    assert entities(journal).count(GONE) == 1


def test_a_command_beside_the_server_forgets_too(client: Client, place: Path) -> None:
    journal = place / "registry-journal"
    name = "person-4712"
    score(client, "stays", name)
    wait_until(lambda: name in entities(journal))
    printed = run("journal", "forget", name, "--registry", str(place / "registry"), "--json")
    document = json.loads(printed)
    assert document["journal"]["waiting_files"]
    assert all("is being written" in sentence for sentence in document["remaining"][:-1])
    wait_until(lambda: not request_files(journal) and not is_named(journal, name))
    assert "stays" in entities(journal)
    assert run("journal", "forget", name, "--registry", str(place / "registry")).startswith(
        f"{name}: the journal has nothing of it\n"
    )


def test_units_that_are_left_are_compared_as_before(client: Client, place: Path) -> None:
    journal = place / "registry-journal"
    units = {f"unit {at}" for at in range(40)}
    score(client, *sorted(units))
    wait_until(lambda: units <= set(entities(journal)))
    before = compared(journal)
    client.forget("unit 7")
    wait_until(lambda: not request_files(journal) and not is_named(journal, "unit 7"))
    after = compared(journal)
    assert after == (before[0] - 1, before[1] - 1, 0)


def compared(journal: Path) -> tuple[int, int, int]:
    """The exposures, the joined outcomes, and the failed rows of a comparison."""
    found = compare(Request((journal,), "credit", options=Options(metrics=(metric_of("paid:rate"),))))
    (outcome,) = found.outcomes
    return found.rows.exposures, outcome.matched, found.rows.failed


def run(*arguments: str) -> str:
    """What a command prints."""
    done = CliRunner().invoke(scoreline, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout
