"""A comparison as one HTML page that needs no other file: no scripts, no fonts, nothing is loaded."""

from collections.abc import Iterable, Iterator
from html import escape

from scoreline_server.analysis.pictures.drawing import Picture
from scoreline_server.analysis.pictures.effects import effect_pictures, segment_pictures
from scoreline_server.analysis.pictures.ramps import ramp_pictures
from scoreline_server.analysis.pictures.scores import arm_pictures, shadow_pictures
from scoreline_server.analysis.report.comparison import Comparison
from scoreline_server.analysis.report.parts import Note, RampMove
from scoreline_server.analysis.report.text import Table, head, tables
from scoreline_server.journal.format.times import time_text

MAX_MOVES = 40

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_CSS = """
body { font: 15px/1.5 system-ui, sans-serif; color: #111827; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #d1d5db }
h3 { font-size: 1rem; margin-bottom: .3rem }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; display: block;
  overflow-x: auto }
th, td { text-align: left; padding: .2rem .7rem .2rem 0; border-bottom: 1px solid #e5e7eb; vertical-align: top }
th { color: #4b5563; font-weight: 600 }
figure { margin: 1rem 0; break-inside: avoid } figure svg { max-width: 100%; height: auto }
figcaption, .lead, footer { color: #4b5563; font-size: .85rem }
.note { border-left: .3rem solid #9ca3af; padding: .2rem .8rem; margin: .5rem 0 }
.problem { border-color: #d55e00; background: #fdf1e7 } .caution { border-color: #e69f00; background: #fdf7e7 }
@media print { body { margin: 0; max-width: none } h2, h3 { break-after: avoid } }
"""


def comparison_page(comparison: Comparison) -> str:
    """The page of a comparison: notes first, then pictures beside the tables that the command prints."""
    title = f"Comparison of route {comparison.route}"
    body = "\n".join(
        [
            f"<h1>{escape(title)}</h1>",
            "".join(f'<p class="lead">{escape(line)}</p>' for line in head(comparison).splitlines()),
            *_notes(comparison.notes),
            *_sections(comparison),
            f"<footer>Made at {time_text(comparison.made_at)[:19]} UTC. {escape(_levels(comparison))}</footer>",
        ]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


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
    parts = [_figure(picture) for picture in pictures] + [_table(table) for table in shown]
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
    order = {"problem": 0, "caution": 1}
    for note in sorted(notes, key=lambda found: order.get(found.severity, 2)):
        severity = note.severity if note.severity in order else "info"
        yield f'<p class="note {severity}"><strong>{escape(note.severity)}</strong>: {escape(note.text)}</p>'


def _figure(picture: Picture) -> str:
    return f"<figure>{picture.svg}<figcaption>{escape(picture.caption)}</figcaption></figure>"


def _table(table: Table) -> str:
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in table.rows)
    return f"<h3>{escape(table.title)}</h3>\n<table><thead><tr>{columns}</tr></thead>\n<tbody>{rows}</tbody></table>"


def _levels(comparison: Comparison) -> str:
    plan = comparison.plan
    return (
        f"Intervals cover {1 - plan.alpha:.4g} of 1; always-valid ones are narrowest near {plan.tuning_rows:,} units "
        "and may be watched, the others hold at one look that was fixed before."
    )
