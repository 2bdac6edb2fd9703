"""Reads the report of a version out of its files, or out of a registry."""

from collections.abc import Mapping

from scoreline_registry.documents.documents import VersionEntry, decode
from scoreline_registry.documents.manifest import EXPLANATION_FILE, REPORT_FILE, Manifest
from scoreline_registry.registry import Registry
from scoreline_trainers.explanation.document import EXPLANATION_SCHEMA, Explanation
from scoreline_trainers.reporting.document import REPORT_SCHEMA, Publication, RunReport, VersionReport


def report_of(
    model: str, manifest: Manifest, files: Mapping[str, bytes], publication: Publication | None = None
) -> VersionReport:
    """The report of a version with these files. Raises CorruptError, SchemaVersionError."""
    report, explanation = files.get(REPORT_FILE), files.get(EXPLANATION_FILE)
    name = model if publication is None else f"{model}@{publication.version}"
    run = report and decode(RunReport, report, key=f"{REPORT_FILE} of {name}", supported=REPORT_SCHEMA)
    explained = explanation and decode(
        Explanation, explanation, key=f"{EXPLANATION_FILE} of {name}", supported=EXPLANATION_SCHEMA
    )
    return VersionReport(
        model=model, manifest=manifest, publication=publication, run=run or None, explanation=explained or None
    )


def read_report(registry: Registry, model: str, version: int) -> VersionReport:
    """Everything that the registry knows of a version. Raises NotFoundError, CorruptError, SchemaVersionError."""
    document = registry.latest().state.models.require(model)
    entry = document.entry(version)
    aliases = tuple(sorted(alias for alias, number in document.aliases.items() if number == version))
    stored = {REPORT_FILE, EXPLANATION_FILE} & entry.files.keys()
    files = {name: registry.read_file(model, version, name) for name in stored}
    return report_of(model, registry.manifest(model, version), files, _publication(entry, version, aliases))


def _publication(entry: VersionEntry, version: int, aliases: tuple[str, ...]) -> Publication:
    return Publication(
        version=version,
        published_at=entry.published_at,
        author=entry.author,
        message=entry.message,
        aliases=aliases,
        retired=entry.retired is not None,
    )
