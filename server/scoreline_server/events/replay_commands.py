"""The commands of ``scoreline profile`` that make states again from a log: backfill and rebuild."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from scoreline.cli.output import counting, print_json, print_table
from scoreline_server.events.commands import SHOWN, show_refused
from scoreline_server.events.completeness import Completeness, completeness
from scoreline_server.events.options import EventFile, json_option, opened, place_options, profile_option, table_options
from scoreline_server.events.replaying import ReplayReport, refit, replay


@click.command()
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@profile_option
@table_options
@place_options
@json_option
def backfill(
    log: Path, name: str, event_type: str, columns: dict[str, str], fields: dict[str, str],
    registry: str, store: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Fold the past events of LOG into the profile, as if each had been recorded when it happened.

    LOG has the columns of `events import`, in any order of its rows. An entity's state becomes that of all its events
    in LOG and those that the store still has one by one. An entity whose state holds events that LOG does not have is
    left as it is, and printed. Events may be recorded in the meantime, and repeating the command changes nothing.
    """
    _replay(EventFile(log, event_type, columns, fields), name, registry, store, as_json=as_json)


@click.command()
@click.argument("log", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@profile_option
@table_options
@place_options
@json_option
def rebuild(
    log: Path | None, name: str, event_type: str, columns: dict[str, str], fields: dict[str, str],
    registry: str, store: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Make the states of the profile again after its definition has changed, from the LOG of all events.

    LOG must have every event that was recorded, but for the newest, which the store has one by one: an entity whose
    last folded event is not in LOG is left as it is, and printed. Without LOG states keep what still fits, and the
    command prints from when on each feature counts all events.
    """
    if log is not None:
        _replay(EventFile(log, event_type, columns, fields), name, registry, store, as_json=as_json)
        return
    with opened(registry=registry, store=store) as place:
        definitions = place.profiles.definitions
        features = completeness(definitions.past(name))
        fitted = refit(place.profiles.store, definitions.require(name))
    if as_json:
        print_json({"rewritten": fitted, "features": [asdict(feature) for feature in features]})
    else:
        click.echo(f"{fitted:,} states rewritten; without a log, features count")
        print_table(("feature", "events since", "complete from"), [_completeness_row(each) for each in features])


def _completeness_row(feature: Completeness) -> tuple[str, object, object]:
    if feature.since is None:
        return feature.feature, "the first", "the first"
    return feature.feature, feature.since, feature.complete_from or "a rebuild with LOG"


def _replay(file: EventFile, name: str, registry: str, store: str | None, *, as_json: bool) -> None:
    with opened(registry=registry, store=store) as place:
        profile = place.profiles.definitions.require(name)
        with counting("Replaying", "events") as count:
            now = place.profiles.now()
            report = replay(place.profiles.store, profile, file.rows(profile), now=now, on_rows=count)
    if as_json:
        print_json(_report_json(report))
    else:
        _show_report(report)
    if report.refused_count or report.not_covered_count or report.busy:
        raise SystemExit(1)


def _report_json(report: ReplayReport) -> dict[str, Any]:
    return {
        "entities": report.entities,
        "events": report.events,
        "repeated": report.repeated,
        "refused": report.refused_count,
        "errors": [{"row": row, "message": text} for row, text in report.refused],
        "not_covered": report.not_covered_count,
        "not_covered_entities": report.not_covered,
        "busy_entities": report.busy,
    }


def _show_report(report: ReplayReport) -> None:
    show_refused(report.refused[:SHOWN], report.refused_count)
    click.echo(f"{report.entities:,} entities made of {report.events:,} events; {report.repeated:,} repeated, "
               f"{report.refused_count:,} refused")  # fmt: skip
    if report.not_covered_count:
        some = ", ".join(report.not_covered[:3])
        click.echo(f"{report.not_covered_count:,} entities left as they are, because their states hold events that the "
                   f"log does not have: {some}{', ...' if report.not_covered_count > 3 else ''}", err=True)  # fmt: skip
    if report.busy:
        click.echo(f"{len(report.busy):,} entities were recorded all the while; run the command again", err=True)
