"""Copies a version from one registry to another, with its digests and origin."""

from collections.abc import Sequence
from dataclasses import dataclass

from scoreline_registry.documents.documents import Source, VersionEntry
from scoreline_registry.documents.model import Model
from scoreline_registry.errors import RefusedError
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.names import ModelRef
from scoreline_registry.registry import Registry


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version in the target registry. ``copied`` is False when the same files were there already.

    ``version`` is None when a dry run would claim a new number.
    """

    model: str
    version: int | None
    source: Source
    copied: bool
    revision: int


def promote(
    source: Registry,
    ref: ModelRef | str,
    target: Registry,
    *,
    aliases: Sequence[str] = (),
    author: str,
    message: str,
    dry_run: bool = False,
) -> Promotion:
    """Copies a version under the same model name and a number of the target's own, and points ``aliases`` to it.

    An existing version with the same digests is not copied again; aliases move to it. Raises NotFoundError,
    CorruptError when a file is not what was committed on either side, and RefusedError for a retired version, for one
    registry with itself, and when a route of the target forbids an alias.
    """
    if source.registry_id == target.registry_id:
        raise RefusedError(f"promotion of {ref}", ["both addresses are the same registry; set an alias instead"])
    snapshot = source.latest()
    model, version = snapshot.resolve(ref)
    snapshot.state.in_use(f"{model}@{version}")
    entry = snapshot.models[model].entry(version)
    origin = Source(
        registry_id=source.registry_id,
        revision=snapshot.revision,
        model=model,
        version=version,
        author=entry.author,
        published_at=entry.published_at,
    )
    here = target.latest()
    known = same_version(here.models[model], entry) if model in here.models else None
    if known is not None:
        for alias in aliases:
            target.commit(SetAlias(model, alias, known), author=author, message=message, dry_run=dry_run)
        return Promotion(model, known, origin, copied=False, revision=target.latest().revision)
    files = {name: source.read_file(model, version, name) for name in sorted(entry.files)}
    if dry_run:
        return Promotion(model, None, origin, copied=False, revision=here.revision)
    number = target.publish_copy(model, files=files, source=origin, author=author, message=message, aliases=aliases)
    return Promotion(model, number, origin, copied=True, revision=target.latest().revision)


def same_version(document: Model, entry: VersionEntry) -> int | None:
    """The newest version in use whose every file has the digest that ``entry`` names; None when there is none."""
    digests = {name: facts.sha256 for name, facts in entry.files.items()}
    for number in reversed(document.in_use):
        if {name: facts.sha256 for name, facts in document.entry(number).files.items()} == digests:
            return number
    return None
