"""The report on a policy's actions as one HTML page that needs no other file."""

from collections.abc import Iterator
from html import escape

from scoreline_registry.pictures.drawing import Picture
from scoreline_registry.pictures.notes import problems_first
from scoreline_registry.pictures.page import figure, note, page, table
from scoreline_server.analysis.decisions.report import EffectReport, head, tables
from scoreline_server.analysis.pictures.effects import bars
from scoreline_server.analysis.report.text import level_text
from scoreline_server.journal.format.times import time_text


def effect_page(report: EffectReport) -> str:
    """The page: notes first, then pictures of the effects, then the tables that the command prints."""
    title = f"Actions of policy {report.policy}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{escape(head(report))}</p>',
        *map(note, problems_first(report.notes)),
        *map(figure, _pictures(report)),
        *(table(each.title, each.columns, each.rows) for each in tables(report)),
        f"<footer>Made at {time_text(report.made_at)[:19]} UTC. {_levels(report)}</footer>",
    ]
    return page(title, body)


def _levels(report: EffectReport) -> str:
    return f"Always-valid intervals cover {1 - report.plan.alpha:.4g} of 1 and may be watched."


def _pictures(report: EffectReport) -> Iterator[Picture]:
    """Each metric's effects below each other, and the first metric's by segment."""
    for metric in dict.fromkeys(effect.metric for effect in report.effects):
        rows = [(effect.name, effect.sequential) for effect in report.effects if effect.metric == metric]
        picture = bars(rows, f"effect on {metric} against the control", 1)
        if picture is not None:
            yield picture
    rows = [
        (f"{effect.name}, {segment.by} {level_text(segment.level)}", effect.sequential)
        for segment in report.segments
        for effect in segment.effects
    ]
    if rows and (picture := bars(rows, f"effect on {report.effects[0].metric} by segment", 1)) is not None:
        yield picture
