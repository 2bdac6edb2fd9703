"""Commands forget what limits count of an entity, in the store that a server of the settings would use."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scoreline.cli.app import scoreline
from scoreline_registry.decisions.reservations import Counter
from scoreline_registry.registry import Registry
from scoreline_server.limit_stores.sqlite_store import SqliteLimits
from tests.server.limit_stores.contract import granted, total, window

ANN, BOB = Counter("daily", "ann"), Counter("daily", "bob")


@pytest.fixture
def registry(tmp_path: Path) -> str:
    Registry.create(str(tmp_path / "registry"))
    (tmp_path / "registry-journal").mkdir()
    return str(tmp_path / "registry")


@contextmanager
def counted(path: Path) -> Iterator[SqliteLimits]:
    """A store that has counted an action of ann and one of bob."""
    with closing(SqliteLimits(path)) as store:
        for unit in ("ann", "bob"):
            assert granted(store, window("daily", 1, unit=unit), total("campaign", 9))
        yield store


def run(*arguments: object) -> Result:
    return CliRunner().invoke(scoreline, [str(argument) for argument in arguments])


@pytest.mark.parametrize("command", ["journal", "profile"])
def test_a_command_removes_what_is_counted_beside_the_journal(registry: str, tmp_path: Path, command: str) -> None:
    with counted(tmp_path / "registry-journal" / "limits.sqlite") as store:
        done = run(command, "forget", "ann", "--registry", registry)
        assert done.exit_code == 0, done.output
        assert "ann: removed from the limits of policies\n" in done.stdout
        assert [len(usage.times) for usage in store.read([ANN, BOB])] == [0, 1]
        again = json.loads(run(command, "forget", "ann", "--registry", registry, "--json").stdout)
        assert again["limits"] is False


def test_the_store_is_that_of_the_settings(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORELINE_LIMIT_STORE", f"sqlite:{tmp_path}/elsewhere.sqlite")
    with counted(tmp_path / "elsewhere.sqlite") as store:
        assert json.loads(run("journal", "forget", "ann", "--registry", registry, "--json").stdout)["limits"] is True
        assert store.read([ANN])[0].times == ()


def test_no_store_is_made_to_forget_in(registry: str, tmp_path: Path) -> None:
    done = run("journal", "forget", "ann", "--registry", registry)
    assert (done.exit_code, "limits" in done.stdout) == (0, False)
    assert not (tmp_path / "registry-journal" / "limits.sqlite").exists()


def test_forgetting_in_one_profile_leaves_limits_alone(registry: str, tmp_path: Path) -> None:
    with counted(tmp_path / "registry-journal" / "limits.sqlite") as store:
        run("profile", "forget", "ann", "--profile", "none", "--registry", registry)
        assert len(store.read([ANN])[0].times) == 1


def test_a_store_that_fails_is_said_in_one_line(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORELINE_LIMIT_STORE", "redis://127.0.0.1:1")
    done = run("journal", "forget", "ann", "--registry", registry)
    assert done.exit_code == 1
    assert "the limits of policies were not forgotten: Redis at 127.0.0.1:1 cannot be reached" in done.output
