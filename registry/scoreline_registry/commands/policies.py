"""``scoreline policy``: the definitions of policies; the server's package adds what its journal says of decisions."""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import click

from scoreline.cli.commands import SHARED
from scoreline.cli.failures import failure
from scoreline.cli.lazy import SharedGroup
from scoreline_registry.commands.files import read_text
from scoreline_registry.commands.history import limit_option, print_history_of
from scoreline_registry.commands.options import (
    NameType,
    RegistryCommand,
    json_option,
    registry_option,
    writing_options,
)
from scoreline_registry.commands.output import print_commit, print_json, print_table
from scoreline_registry.commands.packaged import print_packaged
from scoreline_registry.decisions.packaged import packaged_policies
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.specs.policy_file import policy_of, read_policy, write_policy
from scoreline_registry.decisions.specs.policy_plan import PolicyPlan
from scoreline_registry.decisions.specs.policy_spec import PolicySpec
from scoreline_registry.history.policy_changes import RemovePolicy
from scoreline_registry.registry import Registry
from scoreline_registry.routing.durations import seconds_of

policy_argument = click.argument("name", metavar="POLICY", type=NameType("policy"))
file_argument = click.argument("file", type=click.File("rb"))


@click.group(cls=SharedGroup)
def policy() -> None:
    """Which action a score leads to, at which value, within which limits and in which words."""


@policy.command("list", cls=RegistryCommand)
@registry_option
@json_option
def list_policies(address: str, as_json: bool) -> None:
    """List every policy."""
    snapshot = Registry.open(address).latest()
    documents = list(snapshot.policies.values())
    if as_json:
        print_json([_summary_json(document, snapshot.policy_digests[document.policy]) for document in documents])
        return
    rows = [
        (d.policy, d.route, ", ".join(d.actions), ", ".join(d.strategies), len(d.limits), d.description)
        for d in documents
    ]
    print_table(("policy", "route", "actions", "strategies", "limits", "description"), rows)


@policy.command(cls=RegistryCommand, short_help="Print a packaged policy as YAML.")
@click.argument("name", required=False, metavar="[NAME]")
@json_option
def example(name: str | None, as_json: bool) -> None:
    """Print the packaged policy NAME as YAML, to be changed and applied; without NAME, list the packaged policies."""
    print_packaged(
        "policy", packaged_policies(), lambda text, source: policy_of(text, source=source), name=name, as_json=as_json
    )


@policy.command(cls=RegistryCommand, short_help="Print a policy as YAML that can be applied.")
@policy_argument
@registry_option
@json_option
def get(name: str, address: str, as_json: bool) -> None:
    """Print a policy as YAML that can be applied; with --json as it is stored, with its bucket ranges."""
    snapshot = Registry.open(address).latest()
    document = snapshot.state.policies.require(name)
    if as_json:
        print_json({"digest": snapshot.policy_digests[name], "document": document.model_dump(mode="json")})
    else:
        click.echo(write_policy(document), nl=False)


@policy.command(cls=RegistryCommand, short_help="Show what applying FILE would change.")
@file_argument
@registry_option
@json_option
@click.option("--replay", "span", metavar="DURATION", callback=lambda _context, _option, text: _seconds(text),
              help="Decide the journaled cases of so long again, such as 1d, and count what changes.")  # fmt: skip
@click.option("--journal", "folders", multiple=True, type=click.Path(exists=True, path_type=Path), metavar="FOLDER",
              help="With --replay, a journal to read.  [default: the one beside the registry]")  # fmt: skip
def plan(file: BinaryIO, address: str, as_json: bool, span: int | None, folders: tuple[Path, ...]) -> None:
    """Show what applying FILE (- for standard input) would change, and how many units would get another strategy."""
    planned = Registry.open(address).plan_policy(read_file(file))
    replay = None if span is None else _replayed(planned.after, address, folders, span)
    if as_json:
        print_json(_plan_json(planned) | ({} if replay is None else {"replay": replay}))
        return
    print_plan(planned, as_json=False)
    if replay is not None:
        print_replay(replay)


@policy.command(cls=RegistryCommand, short_help="Create or change a policy as FILE says.")
@file_argument
@registry_option
@json_option
@writing_options
def apply(
    file: BinaryIO, address: str, as_json: bool, author: str, message: str, if_match: str | None, dry_run: bool
) -> None:
    """Create or change a policy as FILE (- for standard input) says."""
    registry, spec = Registry.open(address), read_file(file)
    if dry_run:
        done = registry.plan_policy(spec, if_match=if_match)
    else:
        done = registry.apply_policy(spec, author=author, message=message, if_match=if_match)
    print_plan(done, as_json=as_json)


@policy.command(cls=RegistryCommand, short_help="Show who changed a policy, and why.")
@policy_argument
@registry_option
@json_option
@limit_option
def history(name: str, address: str, as_json: bool, limit: int) -> None:
    """Show the newest revisions that changed POLICY."""
    print_history_of(Registry.open(address), "policy", name, limit=limit, as_json=as_json)


@policy.command(cls=RegistryCommand, short_help="Remove a policy from the registry.")
@policy_argument
@registry_option
@json_option
@writing_options
def remove(name: str, address: str, as_json: bool, **signed: Any) -> None:
    """Remove POLICY; what was decided by it stays in the journal."""
    commit = Registry.open(address).commit(RemovePolicy(name), **signed)
    print_commit(commit, as_json=as_json, policy=name)


def read_file(file: BinaryIO) -> PolicySpec:
    """The policy that a file says."""
    source, text = read_text(file)
    return read_policy(text, source=source)


def print_plan(plan: PolicyPlan, *, as_json: bool) -> None:
    """Prints what applying a policy does."""
    if as_json:
        print_json(_plan_json(plan))
        return
    for difference in plan.differences or ("nothing differs",):
        click.echo(f"{plan.policy}: {difference}")
    for warning in plan.warnings:
        click.echo(f"{plan.policy}: warning: {warning}")
    rows = [
        (position, rule.when and json.dumps(rule.when), share.strategy, f"{share.before:g}", f"{share.after:g}")
        for position, rule in enumerate(plan.rules, start=1)
        for share in rule.shares
    ]
    print_table(("rule", "when", "strategy", "percent before", "percent after"), rows)
    done = "nothing is written" if plan.revision is None else f"revision {plan.revision}"
    click.echo(f"units that get another strategy: {plan.moved:.4%}; {done}")


def print_replay(replay: Mapping[str, Any]) -> None:
    """Prints how journaled decisions would change."""
    click.echo(
        f"\nof {replay['cases']:,} journaled decisions {replay['changed']:,} would change; "
        f"{replay['proposals_changed']:,} without limits and control"
    )
    if replay["unknown"]:
        click.echo(f"{replay['unknown']:,} more have no inputs in the journal")
    if replay["older"]:
        click.echo(f"{replay['older']:,} more are older: the newest were decided again")
    rows = [
        (each["action"], each["before"], each["after"], f"{each['cost_before']:,.2f}", f"{each['cost_after']:,.2f}")
        for each in replay["actions"]
    ]
    print_table(("action", "before", "after", "cost before", "cost after"), rows)
    for name, text in (("refused", "refused by a limit"), ("control", "of the control")):
        click.echo(f"{text}: {replay[f'{name}_before']:,}, would be {replay[f'{name}_after']:,}")
    if replay["missing_facts"]:
        click.echo(f"caution: the journal does not keep {', '.join(replay['missing_facts'])}")


def _replayed(policy: Policy, address: str, folders: tuple[Path, ...], seconds: int) -> Mapping[str, Any]:
    """What the server's package says of journaled decisions under a policy."""
    try:
        commands = import_module("scoreline_server.analysis.decisions.commands")
        found: Mapping[str, Any] = commands.replayed(policy, address, folders, seconds)
    except ModuleNotFoundError as error:
        raise failure(error, SHARED["policy"]["effect"], "policy plan --replay") from error
    return found


def _seconds(text: str | None) -> int | None:
    try:
        return None if text is None else seconds_of(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _summary_json(document: Policy, digest: str) -> dict[str, object]:
    return {
        "policy": document.policy,
        "digest": digest,
        "route": document.route,
        "actions": list(document.actions),
        "strategies": list(document.strategies),
        "limits": [limit.name for limit in document.limits],
        "models": list(document.refs),
        "description": document.description,
    }


def _plan_json(plan: PolicyPlan) -> dict[str, object]:
    rules = [
        {
            "when": rule.when,
            "shares": [{"strategy": s.strategy, "before": s.before, "after": s.after} for s in rule.shares],
            "moved": rule.moved,
        }
        for rule in plan.rules
    ]
    return {
        "policy": plan.policy,
        "revision": plan.revision,
        "etag": plan.etag,
        "changes_anything": plan.changes_anything,
        "differences": list(plan.differences),
        "warnings": list(plan.warnings),
        "rules": rules,
        "moved": plan.moved,
        "document": plan.after.model_dump(mode="json"),
    }
