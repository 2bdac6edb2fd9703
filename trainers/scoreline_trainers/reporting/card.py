"""A model card: what a reviewer reads before a version may serve (Mitchell et al., Model Cards, FAT* 2019)."""

from scoreline_trainers.reporting import markdown
from scoreline_trainers.reporting.document import VersionReport
from scoreline_trainers.reporting.sections import report_sections
from scoreline_trainers.reporting.sections.summary import head


def model_card(report: VersionReport) -> str:
    """The card as Markdown: the sections of the report without their details."""
    description = report.run.description if report.run is not None else ""
    parts = [f"# {report.model}", *filter(None, [markdown.paragraphs(description)]), *markdown.blocks([head(report)])]
    sections = (section.on_card() for section in report_sections(report))
    return "\n\n".join([*parts, *(markdown.section(section) for section in sections if section.blocks)]) + "\n"
