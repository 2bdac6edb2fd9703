"""The command ``scoreline report``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scoreline_registry.commands.options import RefType, registry_option
from scoreline_registry.names import ModelRef
from scoreline_trainers.commands.options import TrainersCommand, resolved

if TYPE_CHECKING:
    from scoreline_trainers.reporting.document import VersionReport

_STDOUT = "-"


@click.command(cls=TrainersCommand)
@click.argument("ref", type=RefType(bare=True), metavar="MODEL[@VERSION|@ALIAS]")
@registry_option
@click.option("--html", "page", metavar="FILE", help="Write one HTML page.  [default: MODEL-VERSION.html]")
@click.option("--json", "document", metavar="FILE", is_flag=False, flag_value=_STDOUT, help="Write the same as JSON.")
@click.option("--markdown", "card", metavar="FILE", is_flag=False, flag_value=_STDOUT, help="Write the model card.")
def report(ref: ModelRef, address: str, page: str | None, document: str | None, card: str | None) -> None:
    """Write the report of a version: data, validation, evaluation, explanation, proof and how it was made.

    The page needs no other file and no network. FILE may be - for standard output, which is the default of --json and
    --markdown. MODEL alone means its newest version.
    """
    from scoreline_registry.registry import Registry
    from scoreline_trainers.reporting.stored import read_report

    registry = Registry.open(address)
    found = read_report(registry, *resolved(registry, ref))
    if page is None and document is None and card is None:
        page = _default_name(found)
    quiet = _STDOUT in {page, document, card}
    if page is not None:
        from scoreline_trainers.reporting.page import report_page

        _write(page, report_page(found), quiet=quiet)
    if document is not None:
        _write(document, found.model_dump_json(indent=2) + "\n", quiet=quiet)
    if card is not None:
        from scoreline_trainers.reporting.card import model_card

        _write(card, model_card(found), quiet=quiet)


def _default_name(found: "VersionReport") -> str:
    version = "" if found.publication is None else f"-{found.publication.version}"
    return f"{found.model}{version}.html"


def _write(target: str, text: str, *, quiet: bool) -> None:
    """Writes a file and says so, on standard error where standard output holds a document."""
    if target == _STDOUT:
        click.echo(text, nl=False)
        return
    Path(target).write_text(text, encoding="utf-8")
    click.echo(f"wrote {target}: {len(text.encode()) / 1024:,.0f} KB", err=quiet)
