"""Explains a trained model: the files that its version gets for that."""

import numpy as np

from scoreline_registry.documents.manifest import REASONS_FILE
from scoreline_trainers.explanation.reasons import reasons_file
from scoreline_trainers.explanation.version_files import ExplainedRows, explanation_files
from scoreline_trainers.training.trained import Trained
from scoreline_trainers.training.version import Export


def explaining_files(trained: Trained, exported: Export) -> dict[str, bytes]:
    """``reference.npz``, ``explanation.json`` and ``reasons.npz``, but for those that the recipe skips."""
    spec, judged, cut = trained.recipe.explain, trained.judged, _cut(trained, exported)
    files = {}
    if not spec.skip:
        files = explanation_files(
            exported.model,
            trained.training.inputs,
            training=trained.training.batch,
            held_out=ExplainedRows(judged.data.batch, judged.scores, cut),
            spec=spec,
            seed=trained.recipe.seed,
            native=trained.fitted,
        )
    return files if trained.recipe.reasons.skip else {**files, REASONS_FILE: _reasons(trained, exported, cut)}


def _reasons(trained: Trained, exported: Export, cut: float | None) -> bytes:
    recipe = trained.recipe
    starts = {band.name: band.from_score for band in exported.contract.bands}
    near = recipe.reasons.near
    return reasons_file(
        exported.model,
        trained.training.inputs,
        training=trained.training.batch,
        golden=exported.proof.golden,
        near=cut if near is None else starts[near] if isinstance(near, str) else near,
        spec=recipe.reasons,
        seed=recipe.seed,
    )


def _cut(trained: Trained, exported: Export) -> float | None:
    """Where the highest band starts, or above which as many validation rows score as have label 1."""
    judged, bands = trained.judged, exported.contract.bands
    if len(bands) > 1:
        return bands[-1].from_score
    if judged.data.task != "binary" or not judged.data.labelled or judged.data.positives in (0, len(judged.data)):
        return None
    return float(np.quantile(judged.scores, 1 - judged.data.positives / len(judged.data)))
