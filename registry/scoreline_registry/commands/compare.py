"""``scoreline models compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scoreline_registry.commands.options import RefType, RegistryCommand, json_option, registry_option
from scoreline_registry.commands.output import print_json, print_table
from scoreline_registry.documents.manifest import GOLDEN_FILE
from scoreline_registry.names import ModelRef
from scoreline_registry.registry import Registry
from scoreline_registry.versions.comparison import (
    Difference,
    contract_differences,
    file_differences,
    metric_differences,
)

if TYPE_CHECKING:
    from scoreline_registry.versions.golden_comparison import GoldenComparison


@click.command(cls=RegistryCommand, short_help="Show what differs between two versions.")
@click.argument("left", type=RefType(), metavar="A")
@click.argument("right", type=RefType(), metavar="B")
@registry_option
@json_option
def compare(left: ModelRef, right: ModelRef, address: str, as_json: bool) -> None:
    """Show what differs between two versions: contracts, metrics, files, scores of golden rows that both have."""
    registry = Registry.open(address)
    snapshot = registry.latest()
    sides = [snapshot.resolve(left), snapshot.resolve(right)]
    names = [f"{model}@{number}" for model, number in sides]
    entries = [snapshot.models[model].entry(number) for model, number in sides]
    ours, theirs = (registry.manifest(*side) for side in sides)
    parts = {
        "contracts": contract_differences(ours, theirs),
        "metrics": metric_differences(ours, theirs),
        "files": file_differences(*({name: facts.sha256 for name, facts in e.files.items()} for e in entries)),
    }
    # A version published as it is has a golden call of raw tensors, in which nothing is known to be a row.
    scored = [manifest.tensors is None for manifest in (ours, theirs)]
    has = [GOLDEN_FILE in entry.files and rows for entry, rows in zip(entries, scored, strict=True)]
    without = [name for name, rows in zip(names, has, strict=True) if not rows]
    golden, why = (None, f"{without[0]} has no golden rows") if without else _golden(registry, *sides)
    if as_json:
        listed = {name: [_json(difference) for difference in found] for name, found in parts.items()}
        print_json({"left": names[0], "right": names[1], **listed, "golden": _golden_json(golden), "golden_note": why})
        return
    rows = [(name, d.what, _short(d.left), _short(d.right)) for name, found in parts.items() for d in found]
    print_table(("part", "what", *names), rows)
    click.echo(why or _golden_text(golden))


def _golden(
    registry: Registry, left: tuple[str, int], right: tuple[str, int]
) -> tuple[GoldenComparison | None, str | None]:
    """The comparison of golden rows, or the reason why there is none, such as a missing library."""
    try:
        from scoreline_registry.versions.golden_comparison import compare_golden
    except ModuleNotFoundError as error:
        return None, f"golden rows were not compared: that needs {error.name} (pip install {error.name})"
    ours, theirs = (registry.read_file(*side, GOLDEN_FILE) for side in (left, right))
    inputs = [registry.manifest(*side).inputs for side in (left, right)]
    return compare_golden(ours, theirs, left_inputs=inputs[0], right_inputs=inputs[1]), None


def _golden_text(golden: GoldenComparison | None) -> str:
    if golden is None or not golden.shared:
        return "the two have no golden row in common"
    gaps = ", ".join(f"{name} differs by at most {gap:.3g}" for name, gap in golden.largest.items())
    return f"on {golden.shared} golden rows that both have ({golden.left} and {golden.right} in all): {gaps}"


def _golden_json(golden: GoldenComparison | None) -> dict[str, object] | None:
    if golden is None:
        return None
    rows = {"left": golden.left, "right": golden.right, "shared": golden.shared}
    return {**rows, "largest": dict(golden.largest), "mean": dict(golden.mean)}


def _json(difference: Difference) -> dict[str, object]:
    return {"what": difference.what, "left": difference.left, "right": difference.right}


def _short(value: object) -> str | None:
    if value is None:
        return None
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
