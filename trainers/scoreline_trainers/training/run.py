"""Runs a recipe: table -> datasets -> fit -> evaluate -> export -> gate -> registry."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version as version_of
from pathlib import Path

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
from scoreline_trainers.calibration.calibrated import Calibrated
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.dataset import Dataset, split_table
from scoreline_trainers.data.tables import as_frame, read_table, table_digest
from scoreline_trainers.errors import RecipeError
from scoreline_trainers.evaluation.band_summary import BandSummary, band_warnings
from scoreline_trainers.evaluation.bands import summarize_bands
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
from scoreline_trainers.training.report import TrainingReport
from scoreline_trainers.training.summary import (
    ColumnSummary,
    score_warnings,
    summarize_columns,
    warnings,
)

CALIBRATION_METRICS = ("brier", "ece_10_equal_mass")

Clock = Callable[[], datetime]

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "polars")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that passed the gate and is not published yet. ``files`` are all but the manifest."""

    fitted: Fitted
    manifest: Manifest
    files: dict[str, bytes]
    report: TrainingReport


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """A fitted recipe before its export, with the native ``scores`` of the validation rows."""

    recipe: Recipe
    fitted: Fitted
    training: Dataset
    validation: Dataset
    scores: Float64
    facts: TrainingFacts
    columns: tuple[ColumnSummary, ...]
    warnings: tuple[str, ...]


def train(
    recipe: Recipe,
    table: object,
    *,
    data_sha256: str | None = None,
    data: str = "",
    progress: Progress | None = None,
    clock: Clock = system_clock,
) -> Candidate:
    """Trains a model of a table by its recipe, exports it and runs the gate's checks.

    Args:
        recipe: how.
        table: anything with the Arrow PyCapsule interface.
        data_sha256: identifies the table; by default a digest of its columns.
        data: says where the table is from, on the model card.
        progress: receives every stage.
        clock: gives aware times.

    Raises:
        DataError: the table does not fit the recipe.
        FamilyError, FitError, ExportError: the family cannot be used, learn or be exported.
        GateError: the graph differs from the native model.
    """
    progress = progress or Silent()
    table = as_frame(table)
    source = {"data": data, "data_sha256": data_sha256 or table_digest(table)}
    fit = _fit(recipe, table, source, progress, clock)
    progress.begin("export and prove")
    model = fit.fitted.to_onnx()
    spec = recipe.score.with_cuts(fit.validation.label, fit.scores)
    contract = spec.contract(extras=[name for name in output_names(model) if name != SCORE])
    proof = _proof(fit, model.SerializeToString(), contract)
    manifest = _manifest(fit, contract, proof, created_at=clock())
    bands = summarize_bands(contract.bands, fit.validation, fit.scores)
    files = _files(fit, manifest, model.SerializeToString(), proof, bands)
    check_gate(recipe.name, manifest=manifest, files=files, differences=proof.differences, tolerances=proof.tolerances)
    return Candidate(fit.fitted, manifest, files, _report(fit, manifest, proof, bands, len(files[MODEL_FILE])))


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
        return read_table(data, separator=recipe.separator)
    if isinstance(recipe.data, str):
        return read_table(recipe.data_path(folder), separator=recipe.separator)
    return _synthetic_table(recipe.name, recipe.data)


def data_source(recipe: Recipe, data: Path | None = None) -> str:
    """The source of a recipe's table for the model card: the file as named, or the generator."""
    if data is not None or isinstance(recipe.data, str):
        return str(data or recipe.data)
    made = recipe.data
    return f"synthetic {made.synthetic}, {made.rows:,} rows, seed {made.seed}"


def library_versions(libraries: Sequence[str]) -> dict[str, str]:
    """Python's version and those of the distributions that a model depends on."""
    return {"python": platform.python_version(), **{name: version_of(name) for name in (*libraries, *_LIBRARIES)}}


def _synthetic_table(recipe: str, data: Synthetic) -> tuple[pl.DataFrame, str]:
    if data.synthetic not in GENERATORS:
        raise RecipeError(recipe, [f"data.synthetic: {data.synthetic!r} is unknown; there are {', '.join(GENERATORS)}"])
    frame = GENERATORS[data.synthetic](data.rows, seed=data.seed)
    return frame, table_digest(frame)


def _fit(recipe: Recipe, table: pl.DataFrame, source: Mapping[str, str], progress: Progress, clock: Clock) -> _Fit:
    progress.begin("encode the table")
    training, validation = split_table(table, recipe, validation=recipe.validation, seed=recipe.seed)
    started = clock()
    fitted = fit_model(recipe, training, progress=progress)
    seconds = (clock() - started).total_seconds()
    progress.begin("evaluate")
    facts = TrainingFacts(
        rows=len(training),
        positives=training.positives if training.labelled else None,
        validation_rows=len(validation),
        seconds=round(seconds, 3),
        recipe=recipe.with_defaults(),
        libraries=library_versions(libraries_of(recipe.family, recipe.family_config())),
        **source,
    )
    columns = summarize_columns(table, recipe, training)
    found = warnings(table, recipe, training, validation)
    return _Fit(recipe, fitted, training, validation, fitted.predict(validation.batch), facts, columns, found)


def _proof(fit: _Fit, model: bytes, contract: ScoreContract) -> Proof:
    def native(batch: Batch) -> dict[str, Float64]:
        return {SCORE: fit.fitted.predict(batch), **fit.fitted.extras(batch)}

    return prove(
        model,
        subject=f"version of {fit.recipe.name}",
        inputs=fit.training.inputs,
        score=contract,
        samples=fit.validation.batch,
        reference=native,
        edges=fit.fitted.edges(),
        tolerances=fit.fitted.tolerances(),
        seed=fit.recipe.seed,
    )


def _manifest(fit: _Fit, contract: ScoreContract, proof: Proof, *, created_at: datetime) -> Manifest:
    return Manifest(
        family=fit.recipe.family,
        inputs=fit.training.inputs,
        score=contract,
        metrics=evaluate(fit.validation.label, fit.scores, fit.recipe.metrics) if fit.validation.labelled else {},
        parity=proof.parity,
        golden=proof.golden_facts,
        training=fit.facts,
        created_at=created_at,
    )


def _files(fit: _Fit, manifest: Manifest, model: bytes, proof: Proof, bands: Sequence[BandSummary]) -> dict[str, bytes]:
    described, notes = _described(fit), fit.recipe.description
    card = model_card(
        fit.recipe.name, manifest, described=described, notes=notes, bands=bands, warnings=_all_warnings(fit, bands)
    )
    return {
        MODEL_FILE: model,
        GOLDEN_FILE: proof.golden,
        BASELINE_FILE: baseline(fit.training, fit.scores).model_dump_json().encode(),
        CARD_FILE: card.encode(),
        **fit.fitted.files(),
    }


def _described(fit: _Fit) -> dict[str, str | int | float]:
    """The model's facts about itself, and how well it did before it was calibrated."""
    facts = dict(fit.fitted.describe())
    if isinstance(fit.fitted, Calibrated) and fit.validation.labelled:
        score = fit.fitted.model.predict(fit.validation.batch)
        before = evaluate(fit.validation.label, score, CALIBRATION_METRICS)
        facts["without calibration"] = ", ".join(f"{name} {value:.4f}" for name, value in before.items())
    return facts


def _all_warnings(fit: _Fit, bands: Sequence[BandSummary]) -> tuple[str, ...]:
    """The warnings about the table, the score and the bands."""
    return (*fit.warnings, *score_warnings(fit.validation, fit.scores), *band_warnings(bands))


def _report(
    fit: _Fit, manifest: Manifest, proof: Proof, bands: Sequence[BandSummary], model_bytes: int
) -> TrainingReport:
    return TrainingReport(
        model=fit.recipe.name,
        family=fit.recipe.family,
        training_rows=len(fit.training),
        validation_rows=len(fit.validation),
        metrics=dict(manifest.metrics),
        seconds=fit.facts.seconds,
        parity_rows=proof.rows,
        max_difference=proof.differences[SCORE],
        model_bytes=model_bytes,
        described=_described(fit),
        columns=fit.columns,
        bands=tuple(bands),
        warnings=_all_warnings(fit, bands),
    )
