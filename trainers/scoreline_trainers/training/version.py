"""Turns a trained model into a version: its graph, the proof of it, the manifest and the files."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as version_of

from scoreline_registry.documents.contract import ScoreContract
from scoreline_registry.documents.manifest import (
    BASELINE_FILE,
    CARD_FILE,
    GOLDEN_FILE,
    MODEL_FILE,
    REPORT_FILE,
    Manifest,
    TrainingFacts,
)
from scoreline_registry.documents.signature import SCORE
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.evaluation.baseline import baseline
from scoreline_trainers.families.ensembles.members import libraries_of
from scoreline_trainers.gate.checks import Proof, prove, task_tolerances
from scoreline_trainers.graph.builder import output_names
from scoreline_trainers.reporting.card import model_card
from scoreline_trainers.reporting.document import RunReport
from scoreline_trainers.reporting.stored import report_of
from scoreline_trainers.training.profiles import profile_digests, profile_files
from scoreline_trainers.training.reports.quality import metrics_of
from scoreline_trainers.training.trained import Trained

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "polars")


@dataclass(frozen=True, slots=True)
class Export:
    """The graph of a trained model, what its score means, and the proof that it equals the native model."""

    model: bytes
    contract: ScoreContract
    proof: Proof


def export(trained: Trained) -> Export:
    """Exports a model and compares it with the native one. Raises DataError, ExportError."""
    graph = trained.fitted.to_onnx()
    recipe, judged = trained.recipe, trained.judged
    spec = recipe.score.with_cuts(judged.data.outcome, judged.scores)
    extras = [name for name in output_names(graph) if name != SCORE]
    contract = spec.contract(task=recipe.task, classes=judged.data.classes, extras=extras)
    model = graph.SerializeToString()
    return Export(model, contract, _proof(trained, model, contract))


def training_facts(trained: Trained, source: Mapping[str, str]) -> TrainingFacts:
    """Where the version comes from; ``source`` names the table and its digest."""
    recipe, training = trained.recipe, trained.training
    return TrainingFacts(
        rows=len(training),
        positives=training.positives if training.labelled and training.task != "regression" else None,
        validation_rows=len(trained.judged.data),
        seconds=round(trained.seconds, 3),
        recipe=recipe.with_defaults(),
        libraries=library_versions(libraries_of(recipe.family, recipe.family_config())),
        profiles=profile_digests(recipe, training.inputs),
        **source,
    )


def manifest_of(trained: Trained, exported: Export, facts: TrainingFacts, *, created_at: datetime) -> Manifest:
    """The version's manifest."""
    return Manifest(
        family=trained.recipe.family,
        task=trained.recipe.task,
        inputs=trained.training.inputs,
        score=exported.contract,
        metrics=metrics_of(trained),
        parity=exported.proof.parity,
        golden=exported.proof.golden_facts,
        training=facts,
        created_at=created_at,
    )


def files_of(
    trained: Trained, exported: Export, manifest: Manifest, report: RunReport, explaining: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The version's files but the manifest; ``explaining`` are those that explain its scores."""
    files = {
        MODEL_FILE: exported.model,
        GOLDEN_FILE: exported.proof.golden,
        BASELINE_FILE: baseline(trained.training, trained.judged.scores).model_dump_json().encode(),
        REPORT_FILE: report.model_dump_json().encode(),
        **explaining,
        **trained.fitted.files(),
        **profile_files(trained.recipe),
    }
    return {**files, CARD_FILE: model_card(report_of(trained.recipe.name, manifest, files)).encode()}


def library_versions(libraries: Sequence[str]) -> dict[str, str]:
    """Python's version and those of the distributions that a model depends on."""
    return {"python": platform.python_version(), **{name: version_of(name) for name in (*libraries, *_LIBRARIES)}}


def _proof(trained: Trained, model: bytes, contract: ScoreContract) -> Proof:
    return prove(
        model,
        subject=f"version of {trained.recipe.name}",
        inputs=trained.training.inputs,
        score=contract,
        samples=trained.judged.data.batch,
        reference=_native(trained),
        edges=trained.fitted.edges(),
        tolerances=task_tolerances(trained.fitted.tolerances(), trained.training.amount, contract),
        seed=trained.recipe.seed,
    )


def _native(trained: Trained) -> Callable[[Batch], dict[str, Float64]]:
    return lambda batch: {SCORE: trained.fitted.predict(batch), **trained.fitted.extras(batch)}
