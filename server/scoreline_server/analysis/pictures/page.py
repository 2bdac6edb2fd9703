"""A comparison as one HTML page that needs no other file: no scripts, no fonts, nothing is loaded."""

from collections.abc import Iterable, Iterator
from html import escape

from scoreline_registry.pictures.drawing import Picture
from scoreline_registry.pictures.notes import Note, problems_first
from scoreline_registry.pictures.page import figure, note, page, table
from scoreline_server.analysis.pictures.effects import effect_pictures, segment_pictures
from scoreline_server.analysis.pictures.ramps import ramp_pictures
from scoreline_server.analysis.pictures.scores import arm_pictures, shadow_pictures
from scoreline_server.analysis.report.comparison import Comparison
from scoreline_server.analysis.report.parts import RampMove
from scoreline_server.analysis.report.text import Table, head, tables
from scoreline_server.journal.format.times import time_text

MAX_MOVES = 40


def comparison_page(comparison: Comparison) -> str:
    """The page of a comparison: notes first, then pictures beside the tables that the command prints."""
    title = f"Comparison of route {comparison.route}"
    body = [
        f"<h1>{escape(title)}</h1>",
        "".join(f'<p class="lead">{escape(line)}</p>' for line in head(comparison).splitlines()),
        *_notes(comparison.notes),
        *_sections(comparison),
        f"<footer>Made at {time_text(comparison.made_at)[:19]} UTC. {escape(_levels(comparison))}</footer>",
    ]
    return page(title, body)


def _sections(comparison: Comparison) -> Iterator[str]:
    """Effects, shares over time, arms, segments and shadows; what a report does not have is left out."""
    yield from _section("Effects", effect_pictures(comparison))
    yield from _section("Shares over time", ramp_pictures(comparison), _moves(comparison.moves))
    yield from _section("Scores", arm_pictures(comparison))
    yield from _section("Segments", segment_pictures(comparison))
    for shadow in comparison.shadows:
        yield from _section(f"Shadow {shadow.shadow} against {shadow.primary}", shadow_pictures(shadow))
    yield from _section("All figures", (), tables(comparison))


def _section(title: str, pictures: Iterable[Picture], shown: Iterable[Table] = ()) -> Iterator[str]:
    parts = [figure(picture) for picture in pictures] + [table(each.title, each.columns, each.rows) for each in shown]
    if parts:
        yield f"<h2>{escape(title)}</h2>"
        yield from parts


def _moves(moves: tuple[RampMove, ...]) -> Iterator[Table]:
    """The newest revisions that changed the route, the newest first."""
    rows = tuple(
        (
            str(move.revision),
            time_text(move.time)[:19],
            ", ".join(f"{arm} {percent:g} %" for arm, percent in move.weights),
            move.message,
        )
        for move in moves[: -MAX_MOVES - 1 : -1]
    )
    if rows:
        yield Table("changes of the route", ("revision", "at, UTC", "shares", "message"), rows)


def _notes(notes: Iterable[Note]) -> Iterator[str]:
    yield from map(note, problems_first(notes))


def _levels(comparison: Comparison) -> str:
    plan = comparison.plan
    return (
        f"Intervals cover {1 - plan.alpha:.4g} of 1; always-valid ones are narrowest near {plan.tuning_rows:,} units "
        "and may be watched, the others hold at one look that was fixed before."
    )
