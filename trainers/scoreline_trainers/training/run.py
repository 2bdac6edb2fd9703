"""Runs a recipe: table -> splits -> fits -> evaluation -> export -> gate -> files."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.documents.signature import SCORE
from scoreline_registry.registry import system_clock
from scoreline_registry.versions.gate_rules import check_gate
from scoreline_trainers.data.partition import partition
from scoreline_trainers.data.tables import as_frame, require, table_digest
from scoreline_trainers.evaluation.bands.cut_offs import summarize_bands
from scoreline_trainers.evaluation.bands.summary import BandSummary
from scoreline_trainers.explanation.reasons import check_reasons
from scoreline_trainers.explanation.version_files import check_explanation
from scoreline_trainers.family import Start
from scoreline_trainers.progress import Progress, Silent
from scoreline_trainers.training.candidate import Candidate
from scoreline_trainers.training.evaluated import check_requirements, evaluation_of
from scoreline_trainers.training.explaining import explaining_files
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.reports.quality import choices_of, described, quality_warnings
from scoreline_trainers.training.reports.run_report import run_report
from scoreline_trainers.training.reports.summary import summarize_columns, warnings
from scoreline_trainers.training.reports.table_profile import table_profile
from scoreline_trainers.training.reports.training_report import TrainingReport
from scoreline_trainers.training.search.tuning import tuned
from scoreline_trainers.training.selection.selecting import selected
from scoreline_trainers.training.stages import Stage, Stages
from scoreline_trainers.training.trained import Trained
from scoreline_trainers.training.validation.folds import fit_and_score
from scoreline_trainers.training.version import Export, export, files_of, manifest_of, training_facts
from scoreline_trainers.training.warm_start import check_warm_start

Clock = Callable[[], datetime]


def train(
    recipe: Recipe,
    table: object,
    *,
    data_sha256: str | None = None,
    data: str = "",
    start: Start | None = None,
    progress: Progress | None = None,
    clock: Clock = system_clock,
) -> Candidate:
    """Trains a model of a table by its recipe, exports it and runs the gate's checks.

    Args:
        recipe: how.
        table: anything with the Arrow PyCapsule interface.
        data_sha256: identifies the table; by default a digest of its columns.
        data: says where the table is from, on the model card.
        start: the published version that ``warm_start`` names, see ``warm_start.published_start``.
        progress: receives every stage.
        clock: gives aware times.

    Raises:
        DataError: the table does not fit the recipe.
        RecipeError: the recipe continues from a version that was not read, or cannot.
        FamilyError, FitError, ExportError: the family cannot be used, learn or be exported.
        RequirementError: the version falls short of what the recipe requires.
        GateError: the graph differs from the native model.
    """
    check_warm_start(recipe, start)
    stages = Stages(progress or Silent())
    frame = as_frame(table)
    source = {"data": data, "data_sha256": data_sha256 or table_digest(frame)}

    trained = _trained(recipe, frame, source["data_sha256"], start=start, stages=stages, clock=clock)
    evaluation = evaluation_of(trained)
    check_requirements(trained.recipe, evaluation)

    stages.begin("export and prove")
    exported = export(trained)
    manifest = manifest_of(trained, exported, training_facts(trained, source), created_at=clock())
    bands = summarize_bands(exported.contract.bands, trained.judged.data, trained.judged.scores)
    noted = (*warnings(frame, trained.recipe, trained.training, trained.judged.data), *quality_warnings(trained, bands))
    stages.begin("explain")
    explaining = explaining_files(trained, exported)
    stages.begin("profile the table")
    profile = table_profile(frame, trained.recipe, trained.training.inputs)
    ended = stages.end()
    stored = run_report(trained, profile=profile, evaluation=evaluation, bands=bands, warnings=noted, stages=ended)
    files = files_of(trained, exported, manifest, stored, explaining)
    check_explanation(recipe.name, files)
    check_reasons(recipe.name, manifest.inputs, files)
    proof = exported.proof
    check_gate(recipe.name, manifest=manifest, files=files, differences=proof.differences, tolerances=proof.tolerances)
    report = _report(trained, exported, manifest, frame=frame, bands=bands, warnings=noted, stages=ended)
    return Candidate(trained.fitted, manifest, files, report)


def _trained(
    recipe: Recipe, frame: pl.DataFrame, data_sha256: str, *, start: Start | None, stages: Stages, clock: Clock
) -> Trained:
    """Splits the table, chooses features and options where the recipe says so, and fits and scores."""
    stages.begin("encode the table")
    require(frame, *recipe.evaluate.columns)
    inputs = None if start is None else start.inputs
    rows = partition(frame, recipe, validation=recipe.validation, seed=recipe.seed, inputs=inputs)
    recipe, selection = selected(recipe, rows, progress=stages)
    rows = rows if selection is None else replace(rows, columns=recipe)
    recipe, search = tuned(recipe, rows, data_sha256=data_sha256, progress=stages)
    trained = fit_and_score(recipe, rows, progress=stages, clock=clock, start=start)
    return replace(trained, selection=selection, search=search)


def _report(
    trained: Trained,
    exported: Export,
    manifest: Manifest,
    *,
    frame: pl.DataFrame,
    bands: Sequence[BandSummary],
    warnings: Sequence[str],
    stages: Sequence[Stage],
) -> TrainingReport:
    return TrainingReport(
        model=trained.recipe.name,
        family=trained.recipe.family,
        training_rows=len(trained.training),
        validation_rows=len(trained.judged.data),
        metrics=dict(manifest.metrics),
        seconds=round(trained.seconds, 3),
        parity_rows=exported.proof.rows,
        max_difference=exported.proof.differences[SCORE],
        model_bytes=len(exported.model),
        described=described(trained),
        columns=summarize_columns(frame, trained.recipe, trained.training),
        bands=tuple(bands),
        warnings=tuple(warnings),
        stages=tuple(stages),
        chosen=choices_of(trained),
    )
