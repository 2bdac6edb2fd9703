"""Trained models to serve, made through the gate once per machine and kept in the system's temporary folder."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from scoreline_registry.documents.manifest import MODEL_FILE
from scoreline_registry.errors import RegistryError
from scoreline_registry.history.publication import version_key
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_file import read_route
from scoreline_trainers.training.candidate import publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.benchmarks.models import COLUMNS, ROUTE
from tests.server.toys import publish_linear

ROWS = 6000
STEPS = 30
STEP_WIDTH = 10
NUMBERS = tuple(f"f{index}" for index in range(COLUMNS))
MODEL = "lightgbm"
SHADOW = "challenger"

_TREES = {"n_estimators": 300, "num_leaves": 31, "early_stopping_rounds": 0, "threads": 1}
_CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "logistic": {},
    MODEL: _TREES,
    "lstm": {"hidden": (64, 32), "epochs": 1},
}
FAMILIES = tuple(_CONFIGS)


class Stock:
    """Registries that are made when they are first asked for. Treat them as read-only, or take a copy."""

    def __init__(self) -> None:
        made_by = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
        self.folder = Path(tempfile.gettempdir()) / f"scoreline-bench-{os.getuid()}" / made_by
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def trees(self) -> Path:
        """One LightGBM of 300 trees behind the route ``credit``, which splits 90/10."""
        return self._made("trees", lambda folder: _train(folder, MODEL, ROUTE))

    def families(self) -> Path:
        """The trees, a logistic regression and an LSTM over 30 steps, each behind a route of its name."""

        def fill(folder: Path) -> None:
            for family in FAMILIES:
                _train(folder, family, family)

        return self._made("families", fill)

    def crowd(self, models: int) -> Path:
        """The trees among so many models, all of them served."""

        def fill(folder: Path) -> None:
            shutil.copytree(self.trees(), folder, dirs_exist_ok=True)
            registry = Registry.open(folder)
            for number in range(1, models):
                publish_linear(registry, f"toy-{number:04d}", aliases=("champion",))

        return self._made(f"crowd-{models}", fill)

    def shadowed(self) -> Path | None:
        """The trees with a shadow of the same size that scores every row; None where routes take no shadows."""
        folder = self.folder / "shadowed"
        try:
            return self._made("shadowed", self._add_shadow)
        except RegistryError:
            shutil.rmtree(folder, ignore_errors=True)
            return None

    def model_file(self) -> Path:
        """The trees as ONNX: ``features`` float32 [N, 30] in, ``score`` float32 [N] out."""
        return self.trees() / version_key(MODEL, 1, MODEL_FILE)

    def _add_shadow(self, folder: Path) -> None:
        shutil.copytree(self.trees(), folder, dirs_exist_ok=True)
        registry = Registry.open(folder)
        republish(registry, MODEL, as_name=SHADOW)
        text = _route(ROUTE, MODEL) + f"shadows:\n- {{model: {SHADOW}@champion, sample: 100}}\n"
        registry.apply_route(read_route(text, source="bench"), author="bench", message="shadow")

    def _made(self, name: str, fill: Callable[[Path], None]) -> Path:
        folder = self.folder / name
        if not folder.exists():
            half = Path(tempfile.mkdtemp(dir=self.folder))
            fill(half)
            half.rename(folder)
        return folder


def republish(registry: Registry, name: str, *, as_name: str) -> int:
    """Publishes version 1 of a model once more, and makes it champion."""
    manifest = registry.manifest(name, 1)
    files = {file: registry.read_file(name, 1, file) for file in manifest.files}
    return registry.publish(
        as_name,
        files=files,
        manifest=manifest.model_copy(update={"files": {}}),
        author="bench",
        message="once more",
        aliases=("champion",),
    )


def numbers() -> list[float]:
    """The features of the one entity that is asked about."""
    return [round(float(value), 2) for value in np.random.default_rng(1).normal(size=COLUMNS)]


def history() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Its history; float32 [STEPS, STEP_WIDTH]."""
    return np.random.default_rng(1).normal(size=(STEPS, STEP_WIDTH)).astype(np.float32)


def _train(folder: Path, family: str, route: str) -> None:
    registry = Registry.open(folder) if any(folder.iterdir()) else Registry.create(folder)
    frame, columns = _histories() if family == "lstm" else _table()
    about = {"name": family, "data": "unused.csv", "label": "label", "family": family}
    recipe = Recipe.parse({**about, **columns, "config": dict(_CONFIGS[family])})
    publish_candidate(train(recipe, frame), recipe, registry, author="bench")
    registry.apply_route(read_route(_route(route, family), source="bench"), author="bench", message="route")


def _route(name: str, model: str) -> str:
    split = f"{{{model}@champion: 90, {model}@1: 10}}"
    return f"route: {name}\nschema: {{like: {model}@champion}}\nrules:\n- split: {split}\n"


def _table() -> tuple[pl.DataFrame, dict[str, Any]]:
    draw = np.random.default_rng(0)
    values = draw.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    margin = values[:, :10].sum(axis=1) + 2 * values[:, 10] * values[:, 11] - values[:, 12] ** 2
    return _labelled(dict(zip(NUMBERS, values.T, strict=True)), margin, draw), {"features": list(NUMBERS)}


def _histories() -> tuple[pl.DataFrame, dict[str, Any]]:
    draw = np.random.default_rng(0)
    values = draw.normal(size=(ROWS, STEP_WIDTH, STEPS)).astype(np.float32)
    steps = {f"s{at}": [f"s{at}_{step}" for step in range(STEPS)] for at in range(STEP_WIDTH)}
    columns = {
        column: values[:, at, step] for at, names in enumerate(steps.values()) for step, column in enumerate(names)
    }
    return _labelled(columns, values[:, :2, -5:].sum(axis=(1, 2)), draw), {"sequence": {"steps": steps}}


def _labelled(columns: Mapping[str, Any], margin: Any, draw: np.random.Generator) -> pl.DataFrame:
    label = draw.random(ROWS) < 1 / (1 + np.exp(-margin))
    return pl.DataFrame({**columns, "label": label.astype(np.int8)})
