"""The report of a version as one HTML page that needs no other file."""

from html import escape

from scoreline_registry.pictures.page import page
from scoreline_registry.pictures.page import table as html_table
from scoreline_trainers.reporting import html
from scoreline_trainers.reporting.document import VersionReport
from scoreline_trainers.reporting.sections import report_sections
from scoreline_trainers.reporting.sections.summary import head, publication
from scoreline_trainers.reporting.verdict import notes_of, verdict


def report_page(report: VersionReport) -> str:
    """The page: summary and verdict first, then all sections with their pictures."""
    name = report.model if report.publication is None else f"{report.model}@{report.publication.version}"
    sections = report_sections(report)
    body = [
        f"<header><h1>{escape(name)}</h1>",
        f'<p class="lead">Report of a model version, {escape(report.manifest.family)}</p>',
        *_description(report),
        f'<p class="verdict">{escape(verdict(notes_of(report)))}</p></header>',
        html.contents(sections),
        "<main>",
        *_tables(report),
        *(html.section(section) for section in sections),
        "</main>",
        _footer(report, name),
    ]
    return page(f"Report of {name}", body, css=html.CSS)


def _footer(report: VersionReport, name: str) -> str:
    trained = f"Trained {report.manifest.created_at:%Y-%m-%d %H:%M} UTC. Intervals cover 95 %."
    return f"<footer>{trained} The same as JSON: <code>scoreline report {escape(name)} --json -</code></footer>"


def _description(report: VersionReport) -> list[str]:
    text = report.run.description.strip() if report.run is not None else ""
    return [f'<p class="text">{escape(text)}</p>'] if text else []


def _tables(report: VersionReport) -> list[str]:
    tables = [table for table in (publication(report), head(report)) if table is not None]
    titles = ("Publication", "Model")[-len(tables) :]
    return [
        html_table(title, table.columns, table.rows, cell=lambda cell: escape(str(cell)))
        for title, table in zip(titles, tables, strict=True)
    ]
