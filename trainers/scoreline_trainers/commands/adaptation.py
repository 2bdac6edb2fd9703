"""The command ``scoreline adapt``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scoreline_registry.commands.options import RefType
from scoreline_registry.commands.output import print_json, print_table
from scoreline_registry.names import ModelRef
from scoreline_trainers.commands.options import TrainersCommand, existing_file, resolved, version_options

if TYPE_CHECKING:
    from scoreline_registry.registry import Registry
    from scoreline_trainers.adaptation.version import AdaptedVersion, Published


@click.command(cls=TrainersCommand)
@click.argument("ref", type=RefType(bare=True), metavar="MODEL[@VERSION|@ALIAS]")
@click.option("--segment", required=True, help="The name of the new segment, as callers will send it.")
@click.option("--data", "table", required=True, type=existing_file, help="Its labelled rows; 5 to 10 will do.")
@click.option("--again", is_flag=True, help="The segment is known already: replace its head.")
@version_options(alias_help="Of the new version; may be repeated.")
def adapt(
    ref: ModelRef,
    segment: str,
    table: Path,
    again: bool,
    address: str,
    aliases: tuple[str, ...],
    author: str,
    message: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Teach MODEL a new segment from a few labelled rows, and publish that as its next version.

    No score of any other segment changes. MODEL alone means its newest version. No alias moves unless --alias says so.
    """
    from scoreline_registry.registry import Registry
    from scoreline_trainers.adaptation.new_segment import NewSegment
    from scoreline_trainers.adaptation.version import adapt as make
    from scoreline_trainers.data.tables import read_table

    registry = Registry.open(address)
    published = _published(registry, ref)
    made = make(published, NewSegment(segment, *read_table(table)), created_at=registry.now(), again=again)
    number = None
    if not dry_run:
        number = registry.publish(
            published.model,
            files=made.files,
            manifest=made.manifest,
            author=author,
            message=message or f"adapted {published} to {segment} from {made.entry.rows} rows",
            aliases=aliases,
        )
    _show(published, made, number, aliases, as_json=as_json)


def _published(registry: "Registry", ref: ModelRef) -> "Published":
    from scoreline_registry.documents.manifest import MANIFEST_FILE
    from scoreline_trainers.adaptation.version import Published

    model, version = resolved(registry, ref)
    entry = registry.latest().state.models.require(model).entry(version)
    names = [name for name in entry.files if name != MANIFEST_FILE]
    files = {name: registry.read_file(model, version, name) for name in names}
    return Published(model, version, registry.manifest(model, version), files)


def _show(
    published: "Published", made: "AdaptedVersion", number: int | None, aliases: tuple[str, ...], *, as_json: bool
) -> None:
    entry = made.entry
    facts = {
        "model": published.model,
        "from": published.version,
        "version": number,
        "aliases": list(aliases) if number is not None else [],
        "segment": entry.segment,
        "rows": entry.rows,
        "positives": entry.positives,
        "mean_score_before": made.before,
        "mean_score_after": made.after,
        "rows_checked": made.checked,
        "max_difference": made.moved,
    }
    if as_json:
        print_json(facts)
        return
    print_table(
        ("fact", "value"),
        [
            ("learned from", f"{entry.rows} rows, {entry.positives} with label 1"),
            ("their mean score", f"{made.before:.4f} before, {made.after:.4f} after"),
            ("everyone else", f"moved by at most {made.moved:.1e} on {made.checked:,} rows"),
        ],
    )
    if number is None:
        click.echo(f"{published.model} was not published (--dry-run)")
        return
    names = f" ({', '.join(aliases)})" if aliases else ""
    click.echo(f"published {published.model}@{number}{names}: {published} and the segment {entry.segment!r}")
