"""How validation rows were chosen, and the figures of each fold."""

from functools import partial

from scoreline_trainers.evaluation.document import Evaluation
from scoreline_trainers.reporting.blocks import Block, Pictures, Section, Table, Text
from scoreline_trainers.reporting.document import VersionReport
from scoreline_trainers.reporting.pictures import groups
from scoreline_trainers.reporting.text import metrics_in_order, number, plain

MAX_METRICS = 9
"""Columns that a page of paper has room for."""


def validation(report: VersionReport) -> Section:
    """The kind of validation, and a table and a picture of its folds."""
    training = report.manifest.training
    recipe = (training and training.recipe) or {}
    blocks: list[Block] = []
    if recipe.get("validation"):
        blocks.append(Text(f"Rows were held out by: {plain(recipe['validation'])}.", detail=True))
    found = report.run.evaluation if report.run is not None else None
    if found is not None and found.folds:
        blocks += _folds(found)
    return Section("Validation", tuple(blocks))


def _folds(found: Evaluation) -> list[Block]:
    names = metrics_in_order(name for fold in found.folds for name in fold.metrics)[:MAX_METRICS]
    rows = [
        (
            str(fold.fold),
            f"{fold.training_rows:,}",
            f"{fold.rows:,}",
            "-" if fold.positives is None else f"{fold.positives:,}",
            *(number(fold.metrics.get(name)) for name in names),
        )
        for fold in found.folds
    ]
    for title, pick in (("mean", "mean"), ("standard deviation", "deviation")):
        spread = (found.fold_spread.get(name) for name in names)
        values = ("-" if each is None else number(getattr(each, pick)) for each in spread)
        rows.append((title, "", "", "", *values))
    table = Table("Fold by fold", ("fold", "trained on", "scored", "positives", *names), tuple(rows), detail=True)
    shown = next((name for name in ("auc", "r2", "log_loss") if name in names), names[0] if names else None)
    return [table] if shown is None else [table, Pictures((partial(groups.folds, found.folds, shown),))]
