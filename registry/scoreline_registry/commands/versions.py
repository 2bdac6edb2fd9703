"""``scoreline models``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import click

from scoreline_registry.commands.options import Failure, RefType, RegistryCommand, json_option, registry_option
from scoreline_registry.commands.output import print_json, print_table, progress
from scoreline_registry.commands.serving import Serving, served_versions
from scoreline_registry.documents.documents import VersionEntry
from scoreline_registry.documents.manifest import CARD_FILE, Manifest
from scoreline_registry.documents.model import Model
from scoreline_registry.errors import CorruptError
from scoreline_registry.names import ModelRef
from scoreline_registry.registry import Registry


@click.group()
def models() -> None:
    """The models of a registry and their versions."""


@models.command("list", cls=RegistryCommand)
@click.option("--owner", help="Only models of this owner; - for those without one.")
@click.option(
    "--label", "labels", multiple=True, metavar="KEY[=VALUE]", help="Only models with this label; repeatable."
)
@registry_option
@json_option
def list_models(owner: str | None, labels: tuple[str, ...], address: str, as_json: bool) -> None:
    """List every model, or those of an owner or with labels."""
    snapshot = Registry.open(address).latest()
    # A model of which no version was ever committed has a document that keeps its claimed numbers from being reused.
    documents = [d for d in snapshot.models.values() if d.versions and _listed(d, owner, labels)]
    if as_json:
        print_json([{**_facts(d), "digest": snapshot.model_digests[d.name], "versions": d.numbers} for d in documents])
        return
    print_table(("model", "versions", "newest", "aliases", "owner"), map(_summary, documents))


def _listed(document: Model, owner: str | None, labels: Sequence[str]) -> bool:
    if owner is not None and (document.owner or "-") != owner:
        return False
    wanted = [label.partition("=") for label in labels]
    return all(
        name in document.labels and (not separator or document.labels[name] == value)
        for name, separator, value in wanted
    )


@models.command(cls=RegistryCommand, short_help="Show versions, inputs, bands and the card.")
@click.argument("ref", type=RefType(bare=True), metavar="NAME[@VERSION|@ALIAS]")
@registry_option
@json_option
@click.option("--server", metavar="HOST:PORT", help="Ask this server which versions it serves, and why not.")
@click.option("--card", is_flag=True, help="Print the model card: of the version named, or of the newest.")
def show(ref: ModelRef, address: str, as_json: bool, server: str | None, card: bool) -> None:
    """Show a model's versions, or the one named; every file is read again and compared with its digest."""
    registry = Registry.open(address)
    snapshot = registry.latest()
    document = snapshot.state.models.require(ref.model)
    bare = ref.version is None and ref.alias is None
    numbers = document.numbers if bare else [snapshot.resolve(ref)[1]]
    if card:
        click.echo(_card(registry, document, numbers[-1]))
        return
    serving = served_versions(server) if server else None
    views = [_view(registry, document, number) for number in progress(numbers, "checking files")]
    if as_json:
        facts = {**_facts(document), "digest": snapshot.model_digests[ref.model]}
        print_json({**facts, "versions": [_view_json(view, serving) for view in views]})
    else:
        _print_views(document, views, serving)
    click.get_current_context().exit(1 if any(view.damage for view in views) else 0)


def _card(registry: Registry, document: Model, number: int) -> str:
    """The model card of a version, which is Markdown."""
    if CARD_FILE not in document.entry(number).files:
        raise Failure(f"{document.name}@{number} was published without a model card")
    return registry.read_file(document.name, number, CARD_FILE).decode("utf-8").rstrip()


@dataclass(frozen=True, slots=True)
class _View:
    """A version as it is shown. ``manifest`` is None when it cannot be read; then ``damage`` says why."""

    model: str
    number: int
    aliases: Sequence[str]
    entry: VersionEntry
    manifest: Manifest | None
    damage: Sequence[str]

    @property
    def size(self) -> int:
        return sum(facts.bytes for facts in self.entry.files.values())


def _view(registry: Registry, document: Model, number: int) -> _View:
    aliases = [alias for alias, target in sorted(document.aliases.items()) if target == number]
    entry = document.entry(number)
    damage = registry.damage(document.name, number)
    manifest = None
    try:
        manifest = None if entry.collected else registry.manifest(document.name, number)
    except CorruptError as error:
        if str(error) not in damage:
            damage.append(str(error))
    return _View(document.name, number, aliases, entry, manifest, damage)


def _print_views(document: Model, views: Sequence[_View], serving: Mapping[tuple[str, int], Serving] | None) -> None:
    click.echo(f"model {document.name}, owner {document.owner or 'nobody'}")
    columns = ["version", "aliases", "family", "published (UTC)", "author", "bytes", "metrics", "files"]
    print_table([*columns, "serving"] if serving is not None else columns, (_row(view, serving) for view in views))
    for view in views:
        for damage in view.damage:
            click.echo(f"{view.model}@{view.number}: {damage}")
        state = _serving(view, serving)
        if state is not None and state.error:
            click.echo(f"{view.model}@{view.number} is not served: {state.error}")
    if len(views) == 1 and views[0].manifest is not None:
        for line in _meaning(views[0].manifest):
            click.echo(line)
    with_card = [view for view in views if CARD_FILE in view.entry.files and not view.entry.collected]
    if with_card:
        click.echo(f"inputs, bands, training: scoreline models show {document.name}@{with_card[-1].number} --card")


def _meaning(manifest: Manifest) -> Iterator[str]:
    """The lines about one version's inputs, score, bands and extra outputs."""
    inputs, score = manifest.inputs, manifest.score
    if inputs.features:
        required = sum(feature.required for feature in inputs.features)
        names = ", ".join(feature.name for feature in inputs.features)
        yield f"features: {len(inputs.features)}, {required} of them required: {names}"
    for ragged in inputs.ragged:
        yield f"{ragged.name}: at most {ragged.max_items} {ragged.kind.items} of: {', '.join(ragged.features)}"
    yield f"score: {score.kind}, {score.meaning}"
    if score.bands:
        yield "bands: " + ", ".join(f"{band.name} from {band.from_score:g}" for band in score.bands)
    if score.extras:
        yield f"extra outputs: {', '.join(score.extras)}"


def _row(view: _View, serving: Mapping[tuple[str, int], Serving] | None) -> list[object]:
    metrics = view.manifest.metrics if view.manifest else {}
    row = [
        view.number,
        ", ".join(view.aliases),
        view.manifest.family if view.manifest else "?",
        view.entry.published_at,
        view.entry.author,
        view.size,
        ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()),
        _files(view),
    ]
    state = _serving(view, serving)
    return [*row, state.state if state else "not loaded"] if serving is not None else row


def _files(view: _View) -> str:
    if view.entry.collected:
        return "removed"
    state = "DAMAGED" if view.damage else "intact"
    return f"{state}, retired" if view.entry.retired else state


def _serving(view: _View, serving: Mapping[tuple[str, int], Serving] | None) -> Serving | None:
    return serving.get((view.model, view.number)) if serving is not None else None


def _view_json(view: _View, serving: Mapping[tuple[str, int], Serving] | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "version": view.number,
        "aliases": list(view.aliases),
        "published_at": view.entry.published_at,
        "author": view.entry.author,
        "message": view.entry.message,
        "bytes": view.size,
        "files": {name: file.model_dump(mode="json") for name, file in sorted(view.entry.files.items())},
        "damage": list(view.damage),
        "retired": view.entry.retired.model_dump(mode="json") if view.entry.retired else None,
        "source": view.entry.source.model_dump(mode="json") if view.entry.source else None,
        "manifest": view.manifest.model_dump(mode="json") if view.manifest else None,
    }
    if serving is not None:
        state = _serving(view, serving) or Serving("not loaded", "")
        facts["serving"] = {"state": state.state, "problem": state.error}
    return facts


def _facts(document: Model) -> dict[str, object]:
    return {
        "model": document.name,
        "owner": document.owner,
        "labels": document.labels,
        "aliases": dict(sorted(document.aliases.items())),
    }


def _summary(document: Model) -> tuple[object, ...]:
    table = document.versions.table
    aliases = ", ".join(f"{alias} -> {number}" for alias, number in sorted(document.aliases.items()))
    return document.name, table.count, table.newest or None, aliases, document.owner
