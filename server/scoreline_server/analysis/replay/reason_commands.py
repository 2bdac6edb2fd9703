"""The command ``scoreline reasons``."""

import logging
from dataclasses import asdict
from pathlib import Path

import click

from scoreline_registry.commands.options import Failure, RegistryCommand, json_option, registry_option
from scoreline_registry.registry import Registry
from scoreline_server.analysis.replay.reasons import ExplainedPrediction, explain_prediction
from scoreline_server.analysis.replay.routes import AsDecided, Versions
from scoreline_server.errors import CallError, ReplayError
from scoreline_server.journal.commands import fault_text, folders_argument, journal_folders
from scoreline_server.journal.format.blocks import Fault
from scoreline_server.scoring.reasons.asking import MOST_REASONS
from scoreline_server.scoring.reasons.row_reasons import Wanted


@click.command("reasons", cls=RegistryCommand)
@click.argument("prediction_id", metavar="PREDICTION_ID")
@folders_argument
@registry_option
@click.option("--top", type=click.IntRange(1, MOST_REASONS), default=4, show_default=True, help="How many to print.")
@click.option("--language", default="", help="Language of the texts.  [default: en]")
@json_option
def reasons_command(
    prediction_id: str, folders: tuple[Path, ...], address: str, top: int, language: str, as_json: bool
) -> None:
    """Explain a journaled score: the inputs that moved it most.

    Computed again from the inputs in the journals of all FOLDERS, by the version that served the row, whether or not
    its caller asked for reasons. Without a FOLDER, the journal beside the registry is read.
    """
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    plan, places = AsDecided(Versions(Registry.open(address))), journal_folders(folders, address)
    try:
        found = explain_prediction(places, plan, prediction_id, Wanted(top, language), on_fault=_report_fault)
    except ReplayError as error:
        raise Failure(str(error)) from error
    except CallError as error:
        raise Failure(error.message) from error
    _show(prediction_id, found, as_json=as_json)


def _show(prediction_id: str, found: ExplainedPrediction, *, as_json: bool) -> None:
    from scoreline.cli.output import print_json, print_table

    arm, reasons = found.arm, found.reasons
    if as_json:
        facts = {"prediction_id": prediction_id, "route": found.route, "entity_id": found.entity_id}
        served = {"arm": arm.ref, "model": arm.model, "version": arm.version, "score": found.score}
        explained = asdict(reasons)
        print_json({**facts, **served, "reasons": explained.pop("codes"), **explained})
        return
    click.echo(f"{found.route}: score {found.score:.6g} of {found.entity_id or '-'} by {arm.model}@{arm.version}")
    rows: list[tuple[object, ...]] = [
        (code.input, code.value, f"{code.contribution:+.4f}", _error(code.standard_error), code.text)
        for code in reasons.codes
    ]
    rows += [("all others", "", f"{reasons.rest:+.4f}", "", ""), ("base", "", f"{reasons.base:+.4f}", "", "")]
    print_table(("input", "value", "contribution", "error", "text"), rows)


def _error(error: float) -> str:
    return f"± {error:.4f}" if error else ""


def _report_fault(path: Path, fault: Fault) -> None:
    click.echo(fault_text(path, fault), err=True)
