"""Reads the report of a version out of a registry."""

from scoreline_registry.documents.documents import VersionEntry, decode
from scoreline_registry.documents.manifest import REPORT_FILE
from scoreline_registry.registry import Registry
from scoreline_trainers.reporting.document import REPORT_SCHEMA, Publication, RunReport, VersionReport


def read_report(registry: Registry, model: str, version: int) -> VersionReport:
    """Everything that the registry knows of a version. Raises NotFoundError, CorruptError, SchemaVersionError."""
    document = registry.latest().state.models.require(model)
    entry = document.entry(version)
    aliases = tuple(sorted(alias for alias, number in document.aliases.items() if number == version))
    return VersionReport(
        model=model,
        manifest=registry.manifest(model, version),
        publication=_publication(entry, version, aliases),
        run=_run(registry, model, version, entry),
    )


def _publication(entry: VersionEntry, version: int, aliases: tuple[str, ...]) -> Publication:
    return Publication(
        version=version,
        published_at=entry.published_at,
        author=entry.author,
        message=entry.message,
        aliases=aliases,
        retired=entry.retired is not None,
    )


def _run(registry: Registry, model: str, version: int, entry: VersionEntry) -> RunReport | None:
    """The stored part; None where an older release or another tool published the version."""
    if REPORT_FILE not in entry.files:
        return None
    stored = registry.read_file(model, version, REPORT_FILE)
    return decode(RunReport, stored, key=f"{REPORT_FILE} of {model}@{version}", supported=REPORT_SCHEMA)
