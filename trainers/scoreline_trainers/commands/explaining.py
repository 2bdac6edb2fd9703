"""The command ``scoreline explain``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scoreline_registry.commands.options import Failure, RefType, json_option, registry_option
from scoreline_registry.commands.output import print_json, print_table
from scoreline_registry.names import ModelRef
from scoreline_trainers.commands.options import TrainersCommand, existing_file, resolved

if TYPE_CHECKING:
    from scoreline_trainers.explanation.document import Explanation, Importance, Waterfall
    from scoreline_trainers.explanation.stored import ExplainedTable, StoredVersion

_RANKED_ROWS = 2000


@click.command(cls=TrainersCommand)
@click.argument("ref", type=RefType(bare=True), metavar="MODEL[@VERSION|@ALIAS]")
@registry_option
@click.option("--data", type=existing_file, help="A table with rows to explain, CSV or Parquet; no label is needed.")
@click.option("--row", type=click.IntRange(min=0), help="Explain one row of it; the first is 0.")
@click.option("--entity", metavar="ID", help="Explain the row of one unit, by the recipe's unit or entity column.")
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="How many inputs to print.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the contributions of all rows.")
@click.option("--reference", type=existing_file, help="A table to compare with in place of the version's own rows.")
@json_option
def explain(
    ref: ModelRef,
    address: str,
    data: Path | None,
    row: int | None,
    entity: str | None,
    top: int,
    out: Path | None,
    reference: Path | None,
    as_json: bool,
) -> None:
    """Show what the inputs of a version contribute to its score, as a whole or for single rows.

    Without --data: the ranking that was found when the version was trained. With it: contributions of its rows,
    computed from the registry alone. MODEL alone means its newest version.
    """
    if row is not None and entity is not None:
        raise click.UsageError("name a --row or an --entity, not both")
    if data is None and (row is not None or entity is not None or out is not None or reference is not None):
        raise click.UsageError("--row, --entity, --out and --reference go with --data")
    from scoreline_registry.registry import Registry
    from scoreline_trainers.explanation.stored import StoredVersion

    registry = Registry.open(address)
    version = StoredVersion.read(registry, *resolved(registry, ref))
    if data is None:
        _show_stored(version.explanation, version, top=top, as_json=as_json)
        return
    table = _explained(version, data, reference)
    if out is not None:
        _write(table, out)
    if row is not None or entity is not None:
        place = _place(table, row, entity)
        _show_row(_one(table, place), version, table, place=place, top=top, as_json=as_json)
    elif out is None:
        _show_ranking(table, version, top=top, as_json=as_json)


def _explained(version: "StoredVersion", data: Path, reference: Path | None) -> "ExplainedTable":
    from scoreline_trainers.explanation.stored import ExplainedTable

    compared = None if reference is None else _read(version, reference)
    return ExplainedTable(version.explainer(compared), version.rows(_read(version, data)))


def _read(version: "StoredVersion", path: Path) -> Any:
    from scoreline_trainers.data.tables import read_table

    recipe = version.recipe
    form = {name: recipe[name] for name in ("separator", "decimal", "encoding") if recipe.get(name)}
    return read_table(path, **form)[0]


def _place(table: "ExplainedTable", row: int | None, entity: str | None) -> int:
    import polars as pl

    rows = len(table.data)
    if row is not None:
        if row >= rows:
            raise Failure(f"there is no row {row}: the table has {rows:,}, the first is 0")
        return row
    if table.data.unit is None:
        raise Failure("the recipe names no unit, or the table lacks its column: use --row")
    found = [place for place, unit in enumerate(table.data.unit.cast(pl.String).to_list()) if unit == entity]
    if not found:
        raise Failure(f"no row has {table.data.unit.name} {entity!r}")
    return found[-1]


def _one(table: "ExplainedTable", place: int) -> "Waterfall":
    from scoreline_trainers.explanation.stored import scores_of
    from scoreline_trainers.explanation.summary import waterfall

    batch = table.data.batch.take(slice(place, place + 1))
    found = table.explainer.explain(batch)
    score = float(scores_of(table.explainer, found)[0])
    return waterfall(f"row {place}", 0, score, sources=table.explainer.sources, batch=batch, found=found)


def _write(table: "ExplainedTable", out: Path) -> None:
    from scoreline_trainers.data.tables import write_table

    frame = table.frame(table.all())
    write_table(frame, out)
    click.echo(f"wrote {out}: contributions of {len(frame):,} rows, {table.explainer.method}", err=True)


def _show_stored(found: "Explanation", version: "StoredVersion", *, top: int, as_json: bool) -> None:
    if as_json:
        print_json({"model": version.model, "version": version.version, **found.model_dump(mode="json")})
        return
    compared = f"{found.reference.population} training rows"
    click.echo(f"{version}: {found.method}, {found.rows:,} validation rows compared with {compared}")
    click.echo(f"base value {found.base_value:.4f} ({found.link})")
    _print_ranking(found.ranking[:top])
    if found.interactions:
        click.echo()
        rows = ((each.first, each.second, f"{each.strength:.4f}") for each in found.interactions[:top])
        print_table(("together", "with", "interaction"), rows)


def _show_ranking(table: "ExplainedTable", version: "StoredVersion", *, top: int, as_json: bool) -> None:
    from scoreline_trainers.explanation.summary import ranking, sample

    batch = table.data.batch.take(sample(len(table.data), _RANKED_ROWS, 0))
    found = table.explainer.explain(batch)
    ranked = ranking(table.explainer.sources, batch, found.values)
    if as_json:
        facts = {"rows": len(batch), "method": table.explainer.method, "link": table.explainer.link}
        names = {"model": version.model, "version": version.version}
        dumped = [each.model_dump(mode="json") for each in ranked]
        print_json({**names, **facts, "base_value": found.base, "ranking": dumped})
        return
    click.echo(f"{version}: {table.explainer.method}, {len(batch):,} rows")
    click.echo(f"base value {found.base:.4f} ({table.explainer.link})")
    _print_ranking(ranked[:top])


def _print_ranking(ranked: "tuple[Importance, ...]") -> None:
    rows = (
        (
            each.name,
            f"{each.importance:.4f}",
            "-" if each.low is None else f"{each.low:.4f} to {each.high:.4f}",
            f"{each.share:.1%}",
            "-" if each.direction is None else f"{each.direction:+.2f}",
        )
        for each in ranked
    )
    print_table(("input", "mean contribution", "95 % interval", "share", "direction"), rows)


def _show_row(
    found: "Waterfall", version: "StoredVersion", table: "ExplainedTable", *, place: int, top: int, as_json: bool
) -> None:
    shown = found.contributions[:top]
    others = found.margin - found.base - sum(each.contribution for each in shown)
    explainer = table.explainer
    if as_json:
        names = {"model": version.model, "version": version.version, "row": place}
        facts = {"method": explainer.method, "link": explainer.link}
        document = {**found.model_dump(mode="json", exclude={"title"}), "others": others}
        document["contributions"] = [each.model_dump(mode="json") for each in shown]
        print_json({**names, **facts, **document})
        return
    click.echo(f"{version}, row {place}: score {found.score:.4f}, {explainer.method}")
    rows = [
        (each.name, "-" if each.value is None else str(each.value), f"{each.contribution:+.4f}", _error(each.error))
        for each in shown
    ]
    rows += [("all others", "", f"{others:+.4f}", ""), ("base value", "", f"{found.base:+.4f}", "")]
    rows.append((explainer.link if explainer.link == "log odds" else "score", "", f"{found.margin:+.4f}", ""))
    print_table(("input", "value", "contribution", "error"), rows)


def _error(error: float | None) -> str:
    return "" if error is None else f"± {error:.4f}"
