"""The commands ``scoreline policy effect`` and ``policy value``, and the replay of ``policy plan``."""

import math
import time
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import click

from scoreline.cli.output import print_json, print_table
from scoreline_registry.commands.options import Failure, RegistryCommand, json_option
from scoreline_registry.commands.policies import file_argument, policy_argument, read_file
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.errors import NotFoundError
from scoreline_registry.registry import Registry
from scoreline_registry.statistics.off_policy.logged import NoSupportError
from scoreline_server.analysis.comparison.plans import check_facts
from scoreline_server.analysis.decisions.cases import CaseQuery
from scoreline_server.analysis.decisions.policy_history import PolicyHistory, unknown_control
from scoreline_server.analysis.decisions.report import EffectPlan, EffectReport
from scoreline_server.journal.commands import folders_argument, given_time, journal_folders, registry_option
from scoreline_server.journal.format.times import DAY

_SECOND = 10**9


def _finite(_context: click.Context, _option: click.Parameter, number: float | None) -> float | None:
    if number is not None and not math.isfinite(number):
        raise click.BadParameter(f"{number:g} is no finite number")
    return number


since_option = click.option("--since", type=click.DateTime(), help="Decisions made at or after this time, UTC.")
until_option = click.option("--until", type=click.DateTime(), help="Decisions made before this time, UTC.")
maturity_option = click.option(
    "--maturity-days", type=click.FloatRange(0, 3660), callback=_finite,
    help="Days within which an outcome is observed.  [default: as the policy's `learning` says, else 0]",
)  # fmt: skip
alpha_option = click.option(
    "--alpha", type=click.FloatRange(0, 0.5, min_open=True, max_open=True), default=0.05, show_default=True,
    callback=_finite, help="Significance level.",
)  # fmt: skip
absent_option = click.option(
    "--absent-is-zero", is_flag=True, help="Count mature decisions of which nothing is reported as 0."
)


@click.command(cls=RegistryCommand, short_help="Show the effect of each action against the control.")
@policy_argument
@folders_argument
@registry_option
@since_option
@until_option
@click.option("--outcome", "outcomes", multiple=True, metavar="NAME",
              help="An outcome to compare by; may be repeated.  [default: the most frequent ones]")  # fmt: skip
@click.option("--value", default="", metavar="NAME",
              help="The outcome that is money, of which costs are taken off.  [default: value]")  # fmt: skip
@maturity_option
@absent_option
@click.option("--segment", "segments", multiple=True, metavar="FACT", help="A FACT to break down by.")
@alpha_option
@click.option("--tuning-rows", type=click.IntRange(100), default=5000, show_default=True,
              help="Units at which always-valid intervals are narrowest.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a page with charts."
)
def effect(
    name: str, folders: tuple[Path, ...], registry: str, since: datetime | None, until: datetime | None,
    outcomes: tuple[str, ...], value: str, maturity_days: float | None, absent_is_zero: bool,
    segments: tuple[str, ...], alpha: float, tuning_rows: int, as_json: bool, html: Path | None,
) -> None:  # fmt: skip
    """Show what the actions of POLICY did, from the journal and outcomes of all FOLDERs.

    Cases that an action was proposed for are compared with those of the control share that would have got it.
    Intervals are always-valid: they may be looked at again and again. FACT is feature.NAME or context.KEY.
    """
    from scoreline_server.analysis.decisions.effect_report import EffectRequest, report_effects
    from scoreline_server.analysis.decisions.report import document

    if html is not None and html.suffix != ".html":
        raise click.UsageError(f"--html {html} does not end in .html")
    try:
        check_facts(segments)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    places = journal_folders(folders, registry)
    history, policy = _policy(registry, name, needed=not folders)
    query = CaseQuery(name, *_where(policy), since=given_time(since), until=given_time(until), segments=segments)
    plan = EffectPlan(alpha, tuning_rows, _maturity(policy, maturity_days), absent_is_zero, value)
    request = EffectRequest(places, query, outcomes, plan)
    report = report_effects(request, unknown_control if history is None else history.control_of)
    if html is not None:
        from scoreline_server.analysis.decisions.page import effect_page

        html.write_text(effect_page(report), encoding="utf-8")
    if as_json:
        print_json(document(report))
    else:
        _show(report)
        if html is not None:
            click.echo(f"\nwritten to {html}")


@click.command(cls=RegistryCommand, short_help="Estimate the value of a policy that never ran.")
@file_argument
@folders_argument
@registry_option
@since_option
@until_option
@click.option("--ran", default="", metavar="POLICY",
              help="The policy whose decisions are evaluated.  [default: the one of FILE]")  # fmt: skip
@click.option("--outcome", default="value", show_default=True, metavar="NAME",
              help="What a decision is worth; its cost is taken off.")  # fmt: skip
@maturity_option
@absent_option
@click.option("--clip", type=click.FloatRange(0, min_open=True), callback=_finite, metavar="WEIGHT",
              help="Largest weight of a decision; draws values towards 0.")  # fmt: skip
@click.option("--supported", is_flag=True,
              help="Evaluate only decisions in which the log could have done all that FILE may do.")  # fmt: skip
@alpha_option
@json_option
def value(
    file: BinaryIO, folders: tuple[Path, ...], registry: str, since: datetime | None, until: datetime | None,
    ran: str, outcome: str, maturity_days: float | None, absent_is_zero: bool, clip: float | None, supported: bool,
    alpha: float, as_json: bool,
) -> None:  # fmt: skip
    """Estimate what the policy of FILE (- for standard input) would have been worth in the decisions of another.

    Each decision counts with the probability of its action under FILE over that under the policy that ran: by the
    doubly robust, the self-normalised and the plain inverse propensity estimate.
    """
    from scoreline_server.analysis.decisions.value import ValueRequest, evaluate
    from scoreline_server.analysis.decisions.value_text import value_document, value_tables

    target = _target(registry, file)
    name = ran or target.policy
    places = journal_folders(folders, registry)
    history, policy = _policy(registry, name, needed=False)
    assert history is not None  # noqa: S101  the registry was opened for the target
    query = CaseQuery(name, *_where(policy), since=given_time(since), until=given_time(until))
    days = _maturity(policy, maturity_days)
    try:
        request = ValueRequest(places, query, outcome, days, absent_is_zero, clip, supported, alpha)
        report = evaluate(request, target, history)
    except NoSupportError as error:
        raise Failure(f"{error} (--supported)") from error
    if as_json:
        print_json(value_document(report))
        return
    for table in value_tables(report):
        click.echo(table.title)
        print_table(table.columns, table.rows)
        click.echo()
    for note in report.notes:
        click.echo(f"{note.severity}: {note.text}")


def replayed(target: Policy, address: str, folders: tuple[Path, ...], seconds: int) -> dict[str, Any]:
    """What a policy would have done in the decisions of its name in the last ``seconds``, as JSON has it.

    ``scoreline policy plan --replay`` calls it. Raises click.UsageError where there is no journal.
    """
    from scoreline_server.analysis.decisions.replayed import replay_policy
    from scoreline_server.analysis.decisions.uplifts import ScoredUplifts
    from scoreline_server.analysis.report.document import plain

    places = journal_folders(folders, address)
    _, before = _policy(address, target.policy, needed=False)
    query = CaseQuery(target.policy, *_where(before), since=time.time_ns() - seconds * _SECOND)
    uplifts = ScoredUplifts(Registry.open(address), target.refs)
    found: dict[str, Any] = plain(replay_policy(places, query, target, uplifts=uplifts))
    return found


def _target(address: str, file: BinaryIO) -> Policy:
    """The policy of a file as the registry would have it after it was applied."""
    return Registry.open(address).plan_policy(read_file(file)).after


def _policy(address: str, name: str, *, needed: bool) -> tuple[PolicyHistory | None, Policy | None]:
    """What the registry knows of a policy. Where folders are given no registry need be there."""
    try:
        registry = Registry.open(address)
        snapshot = registry.latest()
    except NotFoundError:
        if needed:
            raise
        return None, None
    if needed and name not in snapshot.policies:
        snapshot.state.policies.require(name)
    return PolicyHistory(registry, name), snapshot.policies.get(name)


def _where(policy: Policy | None) -> tuple[str, str]:
    """The unit and the route of a policy; empty where it is not known."""
    return ("", "") if policy is None else (policy.unit, policy.route)


def _maturity(policy: Policy | None, given: float | None) -> float:
    if given is not None:
        return given
    return policy.learning.matured_seconds * _SECOND / DAY if policy is not None and policy.learning else 0.0


def _show(report: EffectReport) -> None:
    """Prints a report as text: problems first, then tables, then the other notes."""
    from scoreline_server.analysis.decisions.report import head, tables

    click.echo(head(report))
    for note in report.notes:
        if note.severity == "problem":
            click.echo(f"PROBLEM: {note.text}")
    for table in tables(report):
        click.echo(f"\n{table.title}")
        print_table(table.columns, table.rows)
    for note in report.notes:
        if note.severity != "problem":
            click.echo(f"{note.severity}: {note.text}")
