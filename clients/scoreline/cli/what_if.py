"""``scoreline whatif``."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import click

from scoreline.cli.campaigns import ScenarioTotals, Totals, name_of
from scoreline.cli.connection import connection_options
from scoreline.cli.opening import opened
from scoreline.cli.output import counting, print_json, print_table
from scoreline.cli.rows import InputOptions, InputRow, from_pairs
from scoreline.cli.score import FORMATS, check_pairs, reader_of
from scoreline.client import Client
from scoreline.decoding.changes import Scenario, WhatIf
from scoreline.errors import ScorelineError

_PART = 256


class _Scenarios(NamedTuple):
    """The sets to score, by name, and interventions that the policy does not have."""

    sets: Mapping[str, Sequence[str]]
    ad_hoc: Mapping[str, Mapping[str, Any]]


def _number(_context: click.Context, _option: click.Parameter, value: float | None) -> float | None:
    """An amount that can be compared. Raises click.BadParameter for NaN, which no range leaves out."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is not a number")
    return value


@click.command()
@click.argument("policy")
@click.argument("source", metavar="[FILE]", type=click.File("rb"), required=False)
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", callback=check_pairs,
              help="A feature of one entity, or context.NAME; repeatable.")  # fmt: skip
@click.option("--id", "entity_id", default="", help="The entity's id, without FILE.")
@click.option("--scenarios", "asked", metavar="SETS|FILE",
              help="Sets such as discount,discount+call, or a YAML file.  [default: every intervention]")  # fmt: skip
@click.option("--budget", type=click.FloatRange(min=0), callback=_number,
              help="The most that the best set may cost; with FILE, that all entities together may.")  # fmt: skip
@click.option("--most", type=click.IntRange(1, 16), help="The most interventions of the best set.  [default: 5]")
@click.option("--benefit", type=float, help="Worth of a change of the score by one.  [default: as the policy says]")
@click.option("--goal", type=click.Choice(["lower", "higher"]), help="Wanted scores.  [default: as the policy says]")
@click.option("--path", is_flag=True, help="Show the steps to the best set, and how sure they are.")
@click.option("--format", "kind", type=click.Choice([*FORMATS]), help="Format of FILE.  [default: its suffix]")
@click.option("--id-column", help="Column of FILE with the ids.  [default: entity_id]")
@click.option("--known-only", is_flag=True, help="Leave out what the route's schema does not have.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--local", is_flag=True, help="Compute from a registry in this process, without a server.")
@click.option("--registry", envvar="SCORELINE_REGISTRY", default="./registry", show_default=True, show_envvar=True,
              help="Registry for --local.")  # fmt: skip
@connection_options
def what_if(
    policy: str,
    source: IO[bytes] | None,
    pairs: Sequence[str],
    entity_id: str,
    asked: str | None,
    budget: float | None,
    kind: str | None,
    id_column: str | None,
    known_only: bool,
    as_json: bool,
    local: bool,
    registry: str,
    most: int | None,
    benefit: float | None,
    goal: str | None,
    path: bool,
    **connection: Any,
) -> None:
    """Compare what the interventions of POLICY would change for one entity (--set, --id), or for all of FILE.

    For a file it prints the totals of each scenario, and what it brings where it is done only for those for whom it
    pays, within the budget: the highest net value per cost first.

    \b
    scoreline whatif churn --id c-17 --set monthly_fee=70 --budget 20 --path
    scoreline whatif churn customers.csv --scenarios discount,discount+call --budget 5000
    """
    if bool(pairs or entity_id) == (source is not None):
        raise click.UsageError("give either --set, once per feature, and --id, or FILE")
    scenarios = _scenarios(asked)
    options: dict[str, Any] = {"benefit": benefit, "goal": goal, "ad_hoc": scenarios.ad_hoc}
    read = reader_of(source, kind) if source else None
    with opened(registry if local else None, connection, command="whatif --local") as client:
        schema = client.policy_schema(policy)
        if source and read:
            how = InputOptions(
                id_column=id_column or "entity_id", needs_id=id_column is not None, known_only=known_only
            )
            totals = _totals(client, policy, read(source, schema, how), scenarios, {**options, "most": most})
            _show_totals(totals, budget, policy, as_json=as_json)
            if totals.failed:
                raise ScorelineError(f"{totals.failed:,} of {totals.rows:,} entities could not be scored")
            return
        entity = from_pairs(pairs, schema, entity_id=entity_id)
        found = client.what_if(
            policy, entity.features, entity_id=entity.entity_id, sequence=entity.sequence, neighbors=entity.neighbors,
            context=entity.context, interventions=_names(scenarios), scenarios=_together(scenarios),
            budget=budget, most=most, path=path, **options,
        )  # fmt: skip
        _show_one(found, as_json=as_json)


def _scenarios(asked: str | None) -> _Scenarios:
    """The sets of --scenarios: their names, or a YAML file of ``scenarios`` and ``interventions``."""
    if asked is None:
        return _Scenarios({}, {})
    if Path(asked).suffix in {".yaml", ".yml"}:
        return _from_file(Path(asked))
    sets = [tuple(name.strip() for name in each.split("+")) for each in asked.split(",")]
    if not all(name for each in sets for name in each):
        raise click.UsageError(f"--scenarios {asked!r}: write sets such as discount,discount+call")
    return _Scenarios({name_of(each): each for each in sets}, {})


def _from_file(path: Path) -> _Scenarios:
    import yaml

    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise click.UsageError(f"--scenarios {path}: {' '.join(str(error).split())[:200]}") from error
    example = "{scenarios: [[discount], [discount, call]], interventions: {discount: {multiply: {fee: 0.9}, cost: 5}}}"
    if not isinstance(raw, dict) or not raw or not raw.keys() <= {"scenarios", "interventions"}:
        raise click.UsageError(f"--scenarios {path}: write {example}")
    sets, ad_hoc = raw.get("scenarios", []), raw.get("interventions", {})
    if not isinstance(sets, list) or not all(isinstance(each, list) for each in sets) or not isinstance(ad_hoc, dict):
        raise click.UsageError(f"--scenarios {path}: write {example}")
    return _Scenarios({name_of([str(name) for name in each]): [str(name) for name in each] for each in sets}, ad_hoc)


def _names(scenarios: _Scenarios) -> list[str]:
    """The interventions of the policy that the sets name; none where there are no sets, which means all."""
    names = dict.fromkeys(name for each in scenarios.sets.values() for name in each)
    return [name for name in names if name not in scenarios.ad_hoc]


def _together(scenarios: _Scenarios) -> list[Sequence[str]]:
    """The sets of more than one intervention, or of none: each one alone is compared by itself."""
    return [each for each in scenarios.sets.values() if len(each) != 1]


def _totals(
    client: Client, policy: str, lines: Iterator[InputRow], scenarios: _Scenarios, options: dict[str, Any]
) -> Totals:
    totals = Totals()
    wanted: dict[str, Any] = {"interventions": _names(scenarios), "scenarios": _together(scenarios)}
    # The best set is not asked for where scenarios are named: then none of more than one has to be tried.
    most = 1 if scenarios.sets else options["most"]
    with counting("Comparing", "rows") as count:
        while part := list(islice(lines, _PART)):
            entities = [line.entity for line in part if line.entity is not None]
            results = client.what_if_many(policy, entities, **wanted, **{**options, "most": most})
            first = next((each.error for each in results if each.error is not None), None)
            if first is not None and not totals.rows and all(each.error is not None for each in results):
                raise first
            totals.add(results, wanted=scenarios.sets.values())
            totals.add(WhatIf(error=line.error) for line in part if line.entity is None)
            count(len(part))
    return totals


def _show_totals(totals: Totals, budget: float | None, policy: str, *, as_json: bool) -> None:
    facts = [_total_facts(each, budget) for each in totals.scenarios.values()]
    if as_json:
        print_json({"policy": policy, "rows": totals.rows, "failed": totals.failed, "budget": budget,
                    "scenarios": facts})  # fmt: skip
        return
    columns = ("scenario", "rows", "refused", "mean before", "mean after", "cost", "benefit", "net value", "ratio",
               "paid rows", "paid cost", "paid net value")  # fmt: skip
    print_table(columns, [list(each.values()) for each in facts])


def _total_facts(totals: ScenarioTotals, budget: float | None) -> dict[str, Any]:
    rows, chosen = max(totals.rows, 1), totals.campaign(budget)
    return {
        "scenario": totals.name,
        "rows": totals.rows,
        "refused": totals.refused,
        "mean_score_before": totals.score_before / rows,
        "mean_score_after": totals.score_after / rows,
        "cost": totals.cost,
        "benefit": totals.benefit,
        "net_value": totals.net_value,
        "benefit_cost_ratio": totals.benefit_cost_ratio,
        "paid_rows": chosen.rows,
        "paid_cost": chosen.cost,
        "paid_net_value": chosen.net_value,
    }


def _show_one(found: WhatIf, *, as_json: bool) -> None:
    if as_json:
        score = found.score
        facts = {name: value for name, value in asdict(found).items() if name not in {"score", "error"}}
        print_json({"score": score and score.score, "arm": score and score.arm, "revision": score and score.revision,
                    **facts})  # fmt: skip
        return
    columns = ("scenario", "before", "after", "band", "cost", "benefit", "net value", "ratio", "problem")
    named: list[tuple[str, Scenario | None]] = [("", each) for each in found.scenarios]
    named += [("best single: ", found.best_single), ("best set: ", found.best_set)] if found.scenarios else []
    print_table(columns, [_cells(title, each) for title, each in named if each is not None])
    if found.best_set is None:
        click.echo("no set within the budget is worth its cost")
    elif not found.exact:
        gap = "" if found.gap is None else f"; another can be better by {found.gap:.6g} at most"
        click.echo(f"the best set is that of the strongest interventions{gap}")
    if found.path is not None:
        steps = [
            (each.intervention, each.score_after, each.cost, each.net_value, each.confidence, each.lowest_score,
             each.highest_score)
            for each in found.path.steps
        ]  # fmt: skip
        print_table(("step", "after", "cost", "net value", "confidence", "lowest", "highest"), steps)
        judges = f"{found.path.judge_count} {found.path.judges}"
        if found.path.judge_count > 1:
            click.echo(f"{found.path.confidence:.0%} of {judges} agree with every step")
        else:
            click.echo("one version alone says so: there is no other to compare with")


def _cells(title: str, each: Scenario) -> Sequence[object]:
    name = title + name_of(each.interventions)
    if each.problem:
        return (name, *[None] * 7, each.problem)
    band = each.band_after if each.band_after == each.band_before else f"{each.band_before} -> {each.band_after}"
    return (name, each.score_before, each.score_after, band, each.cost, each.benefit, each.net_value,
            each.benefit_cost_ratio, None)  # fmt: skip
