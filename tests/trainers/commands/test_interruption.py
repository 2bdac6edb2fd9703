"""Ctrl-C while `scoreline train` fits."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scoreline_registry.registry import Registry
from scoreline_trainers.commands.interruption import without_interruption
from tests.trainers.tables import people

MAIN = "import sys; from scoreline.cli.app import run; sys.exit(run(sys.argv[1:]))"
ENDLESS = {"n_estimators": 1_000_000, "early_stopping_rounds": 0}


@pytest.mark.parametrize(
    ("keys", "stage"),
    [
        ({}, "boost trees"),
        pytest.param({"validation": {"kind": "folds"}}, "fit folds", marks=pytest.mark.acceptance),
        ({"search": {"trials": 2}}, "search options"),
        pytest.param({"select": "auto"}, "select features", marks=pytest.mark.acceptance),
    ],
)
def test_ctrl_c_while_fitting_publishes_nothing(tmp_path: Path, keys: dict[str, object], stage: str) -> None:
    if "search" in keys:
        pytest.importorskip("optuna", reason="needs the extra search")
    people(200).write_parquet(tmp_path / "people.parquet")
    recipe = {
        "name": "income",
        "data": "people.parquet",
        "label": "label",
        "features": ["income", "age"],
        "family": "lightgbm",
        "config": ENDLESS,
        **keys,
    }
    (tmp_path / "income.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    Registry.create(tmp_path / "registry")
    before = sorted(path.relative_to(tmp_path) for path in (tmp_path / "registry").rglob("*"))
    command = [sys.executable, "-c", MAIN, "train", str(tmp_path / "income.yaml")]
    command += ["--registry", str(tmp_path / "registry")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip() == stage:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=240)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == f"interrupted in the stage {stage!r}: nothing was published"
    assert "Traceback" not in err
    assert sorted(path.relative_to(tmp_path) for path in (tmp_path / "registry").rglob("*")) == before


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, whatever other tests of this process have left."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_publication_that_has_begun_is_not_interrupted() -> None:
    with without_interruption():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    done: list[bool] = []

    def publish() -> None:
        with without_interruption():
            done.append(True)

    thread = threading.Thread(target=publish)
    thread.start()
    thread.join()
    assert done == [True]
