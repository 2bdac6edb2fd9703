"""The commands ``scoreline publish`` and ``scoreline import-repository``."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scoreline_registry.commands.options import Failure, NameType
from scoreline_registry.commands.output import print_json, print_table, progress
from scoreline_trainers.commands.options import (
    CHAMPION_BY_DEFAULT,
    TrainersCommand,
    aliases_of,
    existing_file,
    limit_options,
    version_options,
    wrapping_options,
)

if TYPE_CHECKING:
    from scoreline_trainers.publishing.confinement import Limits
    from scoreline_trainers.publishing.external import ExternalVersion
    from scoreline_trainers.publishing.importing import Imported
    from scoreline_trainers.publishing.repository import FoundVersion
    from scoreline_trainers.publishing.spec import ManifestSpec


@click.command(cls=TrainersCommand)
@click.argument("graph", type=existing_file, metavar="FILE.onnx")
@click.option("--model", required=True, type=NameType("model"), help="The model's name in the registry.")
@wrapping_options
@click.option("--as-is", is_flag=True, help="Keep its own inputs and outputs; no route can name it.")
@click.option("--probes", type=existing_file, help="With --as-is: an .npz file with an array for each input.")
@click.option("--reference", type=existing_file, help="A table of rows that the reasons of scores compare with.")
@limit_options
@version_options(alias_help=CHAMPION_BY_DEFAULT)
def publish(
    graph: Path,
    model: str,
    as_is: bool,
    probes: Path | None,
    reference: Path | None,
    address: str,
    aliases: tuple[str, ...],
    author: str,
    message: str,
    dry_run: bool,
    as_json: bool,
    limits: "Limits",
    **stated: Any,
) -> None:
    """Check and publish an ONNX file that was made elsewhere.

    With --score-output it is wrapped to take features and give a score, and compared with the file as it is; without,
    it must have Scoreline's inputs and outputs already. With --as-is it keeps its own tensors; no service serves
    those yet.
    """
    from scoreline_registry.registry import Registry, system_clock
    from scoreline_trainers.publishing.external import raw_version

    _check_usage(as_is=as_is, probes=probes, stated=stated)
    if as_is and reference:
        raise click.UsageError("--reference is for scores, and a graph that is kept as it is gives none")
    registry = None if dry_run else Registry.open(address)
    if as_is:
        version = raw_version(model, graph, created_at=system_clock(), probes=probes, limits=limits)
    else:
        version = _with_reference(_scored(model, graph, limits=limits, **stated), reference)
    number = None
    if registry is not None:
        aliases = aliases if as_is else aliases_of(aliases, registry, model)
        number = registry.publish(
            model, files=version.files, manifest=version.manifest, author=author, message=message, aliases=aliases
        )
    if as_json:
        print_json(_facts(model, number, version))
    else:
        _tell(model, number, version, aliases)


@click.command("import-repository", cls=TrainersCommand)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", multiple=True, metavar="MODEL", help="Take this model of the repository alone; repeatable.")
@click.option("--served-only", is_flag=True, help="Take the versions that its version policies serve, and no others.")
@wrapping_options
@limit_options
@version_options(alias_help="Of each newest served version; may be repeated.")
def import_repository(
    folder: Path,
    only: tuple[str, ...],
    served_only: bool,
    address: str,
    aliases: tuple[str, ...],
    author: str,
    message: str,
    dry_run: bool,
    as_json: bool,
    limits: "Limits",
    **stated: Any,
) -> None:
    """Publish the ONNX models of FOLDER, a model repository of Triton or OpenVINO.

    They keep their own tensors, unless --score-output says which output of all of them is a score. Versions get numbers
    of their own here; the table says which.
    """
    from scoreline_registry.registry import Registry
    from scoreline_trainers.publishing.importing import Importer, newest_served
    from scoreline_trainers.publishing.repository import find_versions

    _check_usage(as_is=not stated["score_output"], probes=None, stated=stated)
    found = [version for version in find_versions(folder) if not only or version.folder in only]
    found = [version for version in found if version.served or version.file is None or not served_only]
    if not found:
        raise Failure(f"{folder} holds no {'such ' if only else ''}model: it needs folders such as MODEL/1/model.onnx")
    make = partial(_made, limits=limits, stated=stated)
    registry = None if dry_run else Registry.open(address)
    importer = Importer(make, registry, author, message, aliases, newest_served(found))
    _show_imported([importer.take(version) for version in progress(found, "checking models")], as_json=as_json)


def _made(found: "FoundVersion", file: Path, *, limits: "Limits", stated: dict[str, Any]) -> "ExternalVersion":
    from scoreline_registry.registry import system_clock
    from scoreline_trainers.publishing.external import raw_version

    if stated["score_output"]:
        return _scored(found.model, file, limits=limits, **stated)
    return raw_version(found.model, file, created_at=system_clock(), limits=limits)


def _show_imported(rows: Sequence["Imported"], *, as_json: bool) -> None:
    if as_json:
        print_json([_imported_facts(row) for row in rows])
    else:
        columns = ("repository", "served", "result", "here", "reason")
        print_table(columns, (_imported_row(row) for row in rows))
    refused = sum(row.result == "refused" for row in rows)
    if refused:
        raise Failure(f"{refused} of {len(rows)} versions were refused; the others are done")


def _imported_facts(row: "Imported") -> dict[str, object]:
    found = row.found
    return {
        "repository_model": found.folder,
        "repository_version": found.version or None,
        "served": found.served,
        "model": found.model,
        "version": row.version,
        "result": row.result,
        "reason": row.reason,
    }


def _imported_row(row: "Imported") -> tuple[object, ...]:
    found = row.found
    source = f"{found.folder}/{found.version}" if found.version else found.folder
    here = f"{found.model}@{row.version}" if row.version is not None else ""
    return source, "yes" if found.served else "no", row.result, here, row.reason


def _check_usage(*, as_is: bool, probes: Path | None, stated: dict[str, Any]) -> None:
    named = [name.replace("_file", "").replace("_", "-") for name, value in stated.items() if value]
    if as_is and named:
        raise click.UsageError(f"a graph that is kept as it is has no use for --{' and --'.join(named)}")
    if probes and not as_is:
        raise click.UsageError("--probes goes with --as-is; other probes are made from the contract")
    if stated["manifest_file"] and (stated["features"] or stated["kind"]):
        raise click.UsageError("--manifest says what --features and --kind say; leave them out")


def _scored(
    model: str,
    graph: Path,
    *,
    limits: "Limits",
    score_output: str | None,
    inputs: Sequence[tuple[str, str]],
    features: str | None,
    manifest_file: Path | None,
    kind: str | None,
) -> "ExternalVersion":
    from scoreline_registry.registry import system_clock
    from scoreline_trainers.publishing.external import scored_version
    from scoreline_trainers.publishing.spec import ManifestSpec, Wrapping

    spec = ManifestSpec.load(manifest_file) if manifest_file else _spec(score_output, features, kind)
    wrapping = Wrapping(score_output=score_output, inputs=dict(inputs))
    return scored_version(model, graph, spec, created_at=system_clock(), wrapping=wrapping, limits=limits)


def _with_reference(version: "ExternalVersion", table: Path | None) -> "ExternalVersion":
    if table is None:
        return version
    from dataclasses import replace

    from scoreline_registry.documents.manifest import REFERENCE_FILE
    from scoreline_trainers.publishing.reference import reference_file

    files = {**version.files, REFERENCE_FILE: reference_file(version.manifest.inputs, table)}
    return replace(version, files=files)


def _spec(score_output: str | None, features: str | None, kind: str | None) -> "ManifestSpec":
    from scoreline_trainers.publishing.spec import ManifestSpec

    names = [name.strip() for name in features.split(",")] if features else []
    return ManifestSpec.stated(features=names, meaning=f"{score_output or 'score'} of the graph", kind=kind)


def _facts(model: str, number: int | None, version: "ExternalVersion") -> dict[str, object]:
    manifest = version.manifest
    return {
        "model": model,
        "version": number,
        "as_is": manifest.tensors is not None,
        "rows_checked": version.rows,
        "golden_rows": manifest.golden.rows if manifest.golden else 0,
        "parity": manifest.parity.model_dump(mode="json") if manifest.parity else None,
        "features": [feature.name for feature in manifest.inputs.features],
        "tensors": manifest.tensors.model_dump(mode="json") if manifest.tensors else None,
    }


def _tell(model: str, number: int | None, version: "ExternalVersion", aliases: Sequence[str]) -> None:
    name = f"{model}@{number}" + (f" ({', '.join(aliases)})" if aliases else "")
    done = f"published {name}" if number is not None else f"{model} passed every check; nothing was published"
    click.echo(f"{done}: {_proof(version)}")


def _proof(version: "ExternalVersion") -> str:
    manifest = version.manifest
    if manifest.tensors is not None:
        shown = [f"{tensor.name} {tensor.datatype}{list(tensor.shape)}" for tensor in manifest.tensors.inputs]
        return f"as it is, taking {', '.join(shown) or 'nothing'}; no route can name it"
    if manifest.parity is None:
        return f"checked on {version.rows:,} rows; parity is unknown"
    return f"equals the original within {manifest.parity.max_difference:.1e} on {version.rows:,} rows"
