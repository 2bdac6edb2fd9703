"""What a release is made of installs by itself and says its version."""

import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from scoreline.version import __version__
from tests.deploy import sizes
from tests.deploy.images import ROOT
from tests.deploy.releases import CLEAN, build_sdist, build_wheel, install, pip
from tests.docs.pages import blocks

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ["", *PROJECT["optional-dependencies"]]
# A command that needs what the extra brings, and something that it must not have brought.
PROOFS: Mapping[str, tuple[str, str]] = {
    "": ("import scoreline; scoreline.Client('127.0.0.1:1').close()", "click"),
    "cli": ("import scoreline.cli.app, scoreline.cli.output", "pydantic"),
    "registry": ("import scoreline_registry.registry", "click"),
    "server": ("import scoreline_server.processes.serve, scoreline_server.app", "onnx"),
    "analysis": ("import scoreline_server.analysis, scipy.stats, pyarrow.parquet, matplotlib.figure", "sklearn"),
    "testing": ("import scoreline.testing", "sklearn"),
    "publish": ("import scoreline_trainers.commands.publishing", "sklearn"),
    "trainers": ("import scoreline_trainers.training.run, sklearn, lightgbm, catboost, xgboost", "torch"),
    "search": ("import optuna, scoreline_trainers.training.run", "torch"),
    "redis": ("import redis, scoreline_server.app", "sklearn"),
    "kafka": ("import confluent_kafka, scoreline_server.app", "sklearn"),
    "messages": ("import babel, jinja2, scoreline_registry.decisions.messages.templates", "click"),
    "recourse": ("import treecf, scoreline_server.app", "sklearn"),
    "deep": ("import scoreline_trainers.training.run, torch", "structlog"),
    "all": ("import scoreline_server.processes.serve, torch", "pytest"),
    "bento": ("import bentoml, scoreline_server.app", "torch"),
    "docs": ("import zensical", "pydantic"),
    "dev": ("import pytest, scoreline_server.processes.serve, scoreline_trainers.training.run", "bentoml"),
}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def python(interpreter: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a Python away from the tree."""
    return subprocess.run(
        [interpreter, *arguments], cwd=interpreter.parent, env=CLEAN, capture_output=True, text=True, check=False
    )


def test_the_wheel_holds_the_packages_their_types_and_the_protos_and_no_more(wheel: Path) -> None:
    names = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    packages = {"scoreline", "scoreline_registry", "scoreline_server", "scoreline_trainers"}
    assert {path.parts[0] for path in names} == {*packages, f"scoreline-{__version__}.dist-info"}
    assert {Path(package) / "py.typed" for package in packages} <= names
    protos = {path.relative_to(ROOT / "protos") for path in (ROOT / "protos").rglob("*.proto")}
    assert {Path("scoreline/protos") / path for path in protos} <= names
    assert {path.suffix for path in names}.isdisjoint({".pyc", ".so", ".onnx"})


def test_the_wheel_alone_installs_and_says_its_version(wheel: Path, tmp_path: Path) -> None:
    pip("install", "--no-deps", "--target", tmp_path, wheel)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import scoreline as s; print(s.__version__, s.__file__)"
    version, file = python(Path(sys.executable), "-c", code).stdout.split()
    assert version == __version__ == wheel.name.split("-")[1]
    assert file.startswith(str(tmp_path))
    metadata = (tmp_path / f"scoreline-{__version__}.dist-info" / "METADATA").read_text()
    assert all(f"Provides-Extra: {extra}\n" in metadata for extra in EXTRAS if extra)


def test_every_extra_has_a_proof() -> None:
    assert set(EXTRAS) <= PROOFS.keys()


@pytest.mark.acceptance
@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: extra or "bare")
def test_each_extra_installs_clean_and_brings_what_it_is_for(wheel: Path, extra: str, tmp_path: Path) -> None:
    interpreter = install(wheel, tmp_path / "venv", extra=extra)
    pip("--python", interpreter, "check")
    code, absent = PROOFS[extra]
    done = python(interpreter, "-c", code)
    assert done.returncode == 0, done.stderr
    assert python(interpreter, "-c", f"import {absent}").returncode != 0
    command = subprocess.run(
        [interpreter.parent / "scoreline", "--version"], capture_output=True, text=True, check=False
    )
    assert command.stdout == f"scoreline, version {__version__}\n"


@pytest.mark.acceptance
def test_the_sdist_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    again = build_wheel(tmp_path, build_sdist(tmp_path))
    one, other = (
        {info.filename: info.CRC for info in zipfile.ZipFile(path).infolist() if not info.filename.endswith("RECORD")}
        for path in (wheel, again)
    )
    assert one == other


@pytest.mark.acceptance
def test_an_install_from_the_sdist_hands_out_the_protos(tmp_path: Path) -> None:
    interpreter = install(build_sdist(tmp_path), tmp_path / "venv", extra="cli")
    done = python(interpreter, "-m", "scoreline", "stubs", "--out", str(tmp_path / "out"), "--protos-only")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "protos" / "scoreline" / "v1" / "scoring.proto").is_file()


@pytest.mark.acceptance
def test_the_client_and_the_server_are_no_larger_than_their_bars(tmp_path: Path) -> None:
    found = {size.what: size for size in sizes.installs(tmp_path)}
    assert {size.verdict for size in found.values()} == {"ok"}, found


@pytest.mark.acceptance
def test_the_recipes_of_the_client_hold_strict_types_against_a_bare_install(wheel: Path, tmp_path: Path) -> None:
    interpreter = install(wheel, tmp_path / "venv")
    recipes = [block.text for block in blocks("docs/guides/clients.md") if block.language == "python"]
    for number, recipe in enumerate(recipes):
        if "import pytest" not in recipe:
            (tmp_path / f"recipe_{number}.py").write_text(recipe)
    mypy = ["-m", "mypy", "--config-file=", "--strict", "--allow-untyped-defs", "--allow-untyped-calls"]
    found = [str(path) for path in tmp_path.glob("recipe_*.py")]
    done = subprocess.run(
        [sys.executable, *mypy, "--python-executable", interpreter, *found],
        cwd=tmp_path, env=CLEAN, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert f"no issues found in {len(found)} source files" in done.stdout
