"""What a run stores of itself beside the manifest, as ``report.json``."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl

from scoreline_trainers.evaluation.bands.summary import BandSummary
from scoreline_trainers.evaluation.document import Evaluation
from scoreline_trainers.profiling.document import TableProfile
from scoreline_trainers.reporting.document import RunReport, StageFacts
from scoreline_trainers.training.reports.quality import described
from scoreline_trainers.training.stages import Stage
from scoreline_trainers.training.times import moments_of
from scoreline_trainers.training.trained import Trained


def run_report(
    trained: Trained,
    *,
    evaluation: Evaluation | None,
    profile: TableProfile,
    bands: Sequence[BandSummary],
    warnings: Sequence[str],
    stages: Sequence[Stage],
) -> RunReport:
    """The report of a run; ``stages`` are those that have ended."""
    recipe = trained.recipe
    first, last = _period(trained)
    return RunReport(
        description=recipe.description,
        intended_use=recipe.intended_use,
        limits=recipe.limits,
        described=described(trained),
        warnings=tuple(warnings),
        bands=tuple(bands),
        profile=profile,
        data_from=first,
        data_until=last,
        selection=trained.selection,
        search=trained.search,
        evaluation=evaluation,
        stages=tuple(StageFacts(title=each.title, seconds=each.seconds, peak_bytes=each.peak_bytes) for each in stages),
    )


def _period(trained: Trained) -> tuple[datetime | None, datetime | None]:
    """The times of the oldest and the newest row, where rows have a time that is a date."""
    parts = [trained.training.time, trained.judged.data.time, trained.test.data.time if trained.test else None]
    moments = [moment for part in parts for moment in _ends(part)]
    return (min(moments), max(moments)) if moments else (None, None)


def _ends(times: pl.Series | None) -> Iterator[datetime]:
    """The oldest and the newest moment; nothing where the column holds no dates."""
    moments = moments_of(times)
    for moment in () if moments is None else (moments.min(), moments.max()):
        if isinstance(moment, datetime):
            yield moment
