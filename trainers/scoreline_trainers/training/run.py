"""Runs a recipe: table -> datasets -> fit -> evaluate -> export -> gate -> registry."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import polars as pl

from scoreline_registry.documents.contract import ScoreContract
from scoreline_registry.documents.manifest import (
    BASELINE_FILE,
    CARD_FILE,
    GOLDEN_FILE,
    MODEL_FILE,
    Manifest,
    TrainingFacts,
)
from scoreline_registry.documents.signature import SCORE
from scoreline_registry.registry import Registry, system_clock
from scoreline_registry.versions.gate_rules import check_gate
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.dataset import Dataset, split_table
from scoreline_trainers.data.tables import as_frame, read_table, table_digest
from scoreline_trainers.errors import RecipeError
from scoreline_trainers.evaluation.baseline import baseline
from scoreline_trainers.evaluation.card import model_card
from scoreline_trainers.evaluation.metrics import evaluate
from scoreline_trainers.families.ensembles.members import libraries_of
from scoreline_trainers.family import Fitted
from scoreline_trainers.gate.checks import Proof, prove
from scoreline_trainers.graph.builder import output_names
from scoreline_trainers.progress import Progress, Silent
from scoreline_trainers.synthetic import GENERATORS
from scoreline_trainers.training.fit import fit_model
from scoreline_trainers.training.recipe import Recipe, Synthetic

Clock = Callable[[], datetime]

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "polars")


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What came of a recipe. ``version`` and ``revision`` are None where nothing was published.

    Attributes:
        seconds: spent fitting.
        parity_rows: rows on which the graph was held against the native model.
        max_difference: the largest difference of a score among them.
        described: the fitted model's facts about itself.
    """

    model: str
    family: str
    training_rows: int
    validation_rows: int
    metrics: dict[str, float]
    seconds: float
    parity_rows: int
    max_difference: float
    model_bytes: int
    described: dict[str, str | int | float]
    version: int | None = None
    aliases: tuple[str, ...] = ()
    route: str | None = None
    revision: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that passed the gate and is not published yet. ``files`` are all but the manifest."""

    fitted: Fitted
    manifest: Manifest
    files: dict[str, bytes]
    report: TrainingReport


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A fitted recipe before its export; ``scores`` are native, of the rows in ``judged``."""

    recipe: Recipe
    fitted: Fitted
    learned: Dataset
    judged: Dataset
    scores: Float64
    facts: TrainingFacts


def train(
    recipe: Recipe,
    table: object,
    *,
    data_sha256: str | None = None,
    progress: Progress | None = None,
    clock: Clock = system_clock,
) -> Candidate:
    """Makes a model of a table, as its recipe says, and puts it through the gate.

    Args:
        recipe: how.
        table: anything with the Arrow PyCapsule interface.
        data_sha256: identifies the table; by default a digest of its columns.
        progress: is told of every stage.
        clock: gives aware times.

    Raises:
        DataError: the table does not fit the recipe.
        FamilyError, FitError, ExportError: the family cannot be used, learn or be exported.
        GateError: the graph differs from the native model.
    """
    progress = progress or Silent()
    run = _run(recipe, as_frame(table), data_sha256, progress, clock)
    progress.begin("export and prove")
    model = run.fitted.to_onnx()
    spec = recipe.score.with_cuts(run.judged.label, run.scores)
    contract = spec.contract(extras=[name for name in output_names(model) if name != SCORE])
    proof = _proof(run, model.SerializeToString(), contract)
    manifest = _manifest(run, contract, proof, created_at=clock())
    files = _files(run, manifest, model.SerializeToString(), proof)
    check_gate(recipe.name, manifest=manifest, files=files, differences=proof.differences, tolerances=proof.tolerances)
    return Candidate(run.fitted, manifest, files, _report(run, manifest, proof, len(files[MODEL_FILE])))


def publish_candidate(
    candidate: Candidate,
    recipe: Recipe,
    registry: Registry,
    *,
    author: str,
    message: str = "",
    aliases: Sequence[str] = ("champion",),
) -> TrainingReport:
    """Publishes a version and applies the recipe's route, where it has one. Raises RegistryError."""
    message = message or f"trained {recipe.family}"
    version = registry.publish(
        recipe.name,
        files=candidate.files,
        manifest=candidate.manifest,
        author=author,
        message=message,
        aliases=tuple(aliases),
    )
    route = recipe.route_spec()
    if route is not None:
        registry.apply_route(route, author=author, message=message)
    return replace(
        candidate.report,
        version=version,
        aliases=tuple(aliases),
        route=None if route is None else route.route,
        revision=registry.latest().revision,
    )


def recipe_table(recipe: Recipe, *, folder: Path, data: Path | None = None) -> tuple[pl.DataFrame, str]:
    """The table that a recipe names, or the file ``data`` instead, with its digest. Raises DataError, RecipeError."""
    if data is not None:
        return read_table(data)
    if isinstance(recipe.data, str):
        return read_table(recipe.data_path(folder))
    return _synthetic_table(recipe.name, recipe.data)


def library_versions(libraries: Sequence[str]) -> dict[str, str]:
    """Python's version and those of the distributions that a model depends on."""
    return {"python": platform.python_version(), **{name: version_of(name) for name in (*libraries, *_LIBRARIES)}}


def _synthetic_table(recipe: str, data: Synthetic) -> tuple[pl.DataFrame, str]:
    if data.synthetic not in GENERATORS:
        raise RecipeError(recipe, [f"data.synthetic: {data.synthetic!r} is unknown; there are {', '.join(GENERATORS)}"])
    frame = GENERATORS[data.synthetic](data.rows, seed=data.seed)
    return frame, table_digest(frame)


def _run(recipe: Recipe, frame: pl.DataFrame, data_sha256: str | None, progress: Progress, clock: Clock) -> Run:
    progress.begin("encode the table")
    learned, judged = split_table(frame, recipe, validation=recipe.validation, seed=recipe.seed)
    started = clock()
    fitted = fit_model(recipe, learned, progress=progress)
    seconds = (clock() - started).total_seconds()
    progress.begin("evaluate")
    facts = TrainingFacts(
        rows=len(learned),
        positives=learned.positives if learned.labelled else None,
        seconds=round(seconds, 3),
        data_sha256=data_sha256 or table_digest(frame),
        recipe=recipe.model_dump(mode="json", exclude_defaults=True),
        libraries=library_versions(libraries_of(recipe.family, recipe.family_config())),
    )
    return Run(recipe, fitted, learned, judged, fitted.predict(judged.batch), facts)


def _proof(run: Run, model: bytes, contract: ScoreContract) -> Proof:
    def native(batch: Batch) -> dict[str, Float64]:
        return {SCORE: run.fitted.predict(batch), **run.fitted.extras(batch)}

    return prove(
        model,
        subject=f"version of {run.recipe.name}",
        inputs=run.learned.inputs,
        score=contract,
        samples=run.judged.batch,
        reference=native,
        edges=run.fitted.edges(),
        tolerances=run.fitted.tolerances(),
        seed=run.recipe.seed,
    )


def _manifest(run: Run, contract: ScoreContract, proof: Proof, *, created_at: datetime) -> Manifest:
    return Manifest(
        family=run.recipe.family,
        inputs=run.learned.inputs,
        score=contract,
        metrics=evaluate(run.judged.label, run.scores, run.recipe.metrics) if run.judged.labelled else {},
        parity=proof.parity,
        golden=proof.golden_facts,
        training=run.facts,
        created_at=created_at,
    )


def _files(run: Run, manifest: Manifest, model: bytes, proof: Proof) -> dict[str, bytes]:
    card = model_card(run.recipe.name, manifest, described=run.fitted.describe(), notes=run.recipe.description)
    return {
        MODEL_FILE: model,
        GOLDEN_FILE: proof.golden,
        BASELINE_FILE: baseline(run.learned, run.scores).model_dump_json().encode(),
        CARD_FILE: card.encode(),
        **run.fitted.files(),
    }


def _report(run: Run, manifest: Manifest, proof: Proof, model_bytes: int) -> TrainingReport:
    return TrainingReport(
        model=run.recipe.name,
        family=run.recipe.family,
        training_rows=len(run.learned),
        validation_rows=len(run.judged),
        metrics=dict(manifest.metrics),
        seconds=run.facts.seconds,
        parity_rows=proof.rows,
        max_difference=proof.differences[SCORE],
        model_bytes=model_bytes,
        described=dict(run.fitted.describe()),
    )
