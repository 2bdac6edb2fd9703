"""Publishes the versions of another server's repository, one after another, and reports the result of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scoreline_registry.documents.documents import sha256_hex
from scoreline_registry.documents.manifest import MODEL_FILE
from scoreline_registry.errors import GateError
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.registry import Registry
from scoreline_trainers.publishing.external import ExternalVersion
from scoreline_trainers.publishing.repository import FoundVersion, config_problems

Make = Callable[[FoundVersion, Path], ExternalVersion]

PUBLISHED, PASSED, THERE, SKIPPED, REFUSED = "published", "passed", "already there", "skipped", "refused"


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of importing one version of a repository.

    Attributes:
        found: where it was.
        result: published, passed (nothing was to be published), already there, skipped, or refused.
        version: its number here; None where it has none.
        reason: why it was skipped or refused.
    """

    found: FoundVersion
    result: str
    version: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Importer:
    """Takes the versions of a repository one by one.

    Attributes:
        make: checks one, whose file it is given, and makes it a version; raises GateError.
        registry: where to publish; None to check alone. A version whose graph is there already is not published again.
        author: who publishes.
        message: why; by default, the folder and version it was imported from.
        aliases: what the newest version of each model is called, among those that the repository has served.
        newest: those, by the model's folder.
    """

    make: Make
    registry: Registry | None
    author: str
    message: str
    aliases: Sequence[str]
    newest: Mapping[str, int]

    def take(self, found: FoundVersion) -> Imported:
        """Checks and publishes one version. Raises RegistryError where the registry fails or forbids an alias."""
        if found.file is None:
            return Imported(found, SKIPPED, reason=found.skipped)
        try:
            version = self.make(found, found.file)
            _check_config(found, version)
        except GateError as error:
            return Imported(found, REFUSED, reason="; ".join(error.problems))
        return Imported(found, PASSED) if self.registry is None else self._published(found, version, self.registry)

    def _published(self, found: FoundVersion, version: ExternalVersion, registry: Registry) -> Imported:
        aliases = self.aliases if self.newest.get(found.folder) == found.version else ()
        message = self.message or f"imported from {found.folder}/{found.version}"
        known = _known(registry, found.model, sha256_hex(version.files[MODEL_FILE]))
        if known is not None:
            for alias in aliases:
                registry.commit(SetAlias(found.model, alias, known), author=self.author, message=message)
            return Imported(found, THERE, known)
        number = registry.publish(
            found.model,
            files=version.files,
            manifest=version.manifest,
            author=self.author,
            message=message,
            aliases=aliases,
        )
        return Imported(found, PUBLISHED, number)


def newest_served(versions: Iterable[FoundVersion]) -> Mapping[str, int]:
    """The newest version of each model's folder that can be taken and was served."""
    taken = [found for found in versions if found.file is not None and found.served]
    return {found.folder: found.version for found in sorted(taken, key=lambda found: found.version)}


def _known(registry: Registry, model: str, sha256: str) -> int | None:
    """The newest version in the registry with the same graph, by its digest."""
    document = registry.latest().models.get(model)
    if document is None:
        return None
    newest_first = reversed(document.in_use)
    return next((n for n in newest_first if document.entry(n).files[MODEL_FILE].sha256 == sha256), None)


def _check_config(found: FoundVersion, version: ExternalVersion) -> None:
    tensors = version.manifest.tensors
    problems = [] if tensors is None else config_problems(found.config, tensors)
    if problems:
        raise GateError(f"{found.folder}/{found.version}", problems)
