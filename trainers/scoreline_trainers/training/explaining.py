"""Explains a trained model: the files that its version gets for that."""

import numpy as np

from scoreline_trainers.explanation.version_files import ExplainedRows, explanation_files
from scoreline_trainers.training.trained import Trained
from scoreline_trainers.training.version import Export


def explaining_files(trained: Trained, exported: Export) -> dict[str, bytes]:
    """``reference.npz`` and ``explanation.json``; none where the recipe skips them."""
    spec = trained.recipe.explain
    if spec.skip:
        return {}
    judged = trained.judged
    return explanation_files(
        exported.model,
        trained.training.inputs,
        training=trained.training.batch,
        held_out=ExplainedRows(judged.data.batch, judged.scores, _cut(trained, exported)),
        spec=spec,
        seed=trained.recipe.seed,
        native=trained.fitted,
    )


def _cut(trained: Trained, exported: Export) -> float | None:
    """Where the highest band starts, or above which as many validation rows score as have label 1."""
    judged, bands = trained.judged, exported.contract.bands
    if len(bands) > 1:
        return bands[-1].from_score
    if judged.data.task != "binary" or not judged.data.labelled or judged.data.positives in (0, len(judged.data)):
        return None
    return float(np.quantile(judged.scores, 1 - judged.data.positives / len(judged.data)))
