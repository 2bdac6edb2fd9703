"""The command ``scoreline policy limits``."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

import click

from scoreline.cli.output import print_json, print_table
from scoreline_registry.commands.options import NameType
from scoreline_registry.decisions.deciding.limit_usage import LimitUse, counters_of, uses_of
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.errors import RegistryError
from scoreline_registry.registry import Registry
from scoreline_server.errors import LimitStoreError, StartError
from scoreline_server.journal.format.times import time_text
from scoreline_server.journal.writing.opening import journal_folder
from scoreline_server.limit_stores.opening import open_limits
from scoreline_server.settings import Settings, read_settings

_COLUMNS = ("limit", "kind", "unit", "period", "used", "at most", "left", "refuses")
_NANOSECONDS = 1000


@click.command()
@click.argument("name", metavar="POLICY", type=NameType("policy"))
@click.option("--unit", default="", help="Show the limits of this unit too, such as an entity id.")
@click.option("--store", help="Store of limits.  [default: the setting limit_store]")
@click.option("--registry", envvar="SCORELINE_REGISTRY", default="./registry", show_default=True,
              show_envvar=True, help="Folder or URI of the registry.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def limits(name: str, unit: str, store: str | None, registry: str, as_json: bool) -> None:
    """Print what is used of the limits of POLICY now, and until when one that is used up refuses actions.

    Quiet hours are not counted, and so are not among them.
    """
    try:
        settings = read_settings(registry=registry, limit_store=store)
        policy = Registry.open(registry).latest().state.policies.require(name)
        uses = read_uses(settings, policy, unit, time.time_ns())
    except (RegistryError, StartError, LimitStoreError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json([_as_json(use) for use in uses])
    elif uses:
        print_table(_COLUMNS, (_as_row(use) for use in uses))
    else:
        click.echo(_nothing(policy, unit))


def read_uses(settings: Settings, policy: Policy, unit: str, time_ns: int) -> Sequence[LimitUse]:
    """What is used of the limits of a policy, in the store of some settings; of a unit where one is given.

    Raises LimitStoreError where the store is off or cannot be read.
    """
    folder = journal_folder(settings.journal_dir, settings.registry)
    store = open_limits(settings.limit_store, folder)
    if store is None:
        raise LimitStoreError("there is no store of limits: give --store, or set limit_store")
    counters = counters_of(policy, unit=unit, time_ns=time_ns)
    with closing(store):
        usages = store.read([each.counter for each in counters])
    return uses_of(counters, usages, time_ns // _NANOSECONDS)


def _as_json(use: LimitUse) -> dict[str, Any]:
    document = asdict(use)
    until = document.pop("until_us")
    return {**document, "remaining": use.remaining, "until": None if until is None else _text(until)}


def _as_row(use: LimitUse) -> tuple[object, ...]:
    kind = f"{use.kind} after {use.action}" if use.action else use.kind
    figures = (f"{figure:,.12g}" for figure in (use.used, use.at_most, use.remaining))
    return use.limit, kind, use.unit or "all", use.period, *figures, _refuses(use)


def _refuses(use: LimitUse) -> str:
    if not use.refuses:
        return "no"
    return "for ever" if use.until_us is None else f"until {_text(use.until_us)}"


def _text(time_us: int) -> str:
    return time_text(time_us * _NANOSECONDS)


def _nothing(policy: Policy, unit: str) -> str:
    if not policy.limits:
        return f"policy {policy.policy} has no limits"
    if unit:
        return f"policy {policy.policy} has no limits but quiet hours, which are not counted"
    return f"policy {policy.policy} limits nothing for all units together: give --unit"
