"""Exports committed versions to a folder in the layout of Triton and OpenVINO Model Server.

Only files that this export wrote, as its marker file lists them, are ever replaced or removed.
"""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scoreline_registry.documents.documents import canonical_json, sha256_hex
from scoreline_registry.documents.manifest import MODEL_FILE
from scoreline_registry.errors import CorruptError, RefusedError, SchemaVersionError
from scoreline_registry.export.triton import TritonModel, triton_model
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.registry import Registry

MARKER = ".scoreline-export.json"
EXPORT_SCHEMA = 1
_CONFIG = "config.pbtxt"


@dataclass(frozen=True, slots=True)
class Export:
    """The result of one export: paths below the folder, and versions that were left out as "model@7: why"."""

    revision: int
    written: tuple[str, ...]
    removed: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One file: its path below the folder, its digest, and where its bytes are."""

    path: str
    sha256: str
    config: str | None = None
    version: tuple[str, int] | None = None


def export_triton(registry: Registry, folder: Path, *, dry_run: bool = False) -> Export:
    """Writes every committed version in use; a server that reads meanwhile never sees half a file.

    Files come before the configuration that names them, and go after it. Raises RefusedError when a path is taken by a
    file that no export wrote, CorruptError, and SchemaVersionError for a marker of a newer Scoreline.
    """
    snapshot = registry.latest()
    models = list(_models(snapshot))
    wanted = {file.path: file for model in models for file in _files(snapshot, model)}
    ours = _marker(folder, registry.registry_id)
    _refuse_strangers(folder, wanted, ours)
    written = [path for path, file in wanted.items() if not _is_there(folder / path, file.sha256)]
    removed = sorted(path for path in ours if path not in wanted)
    if not dry_run:
        digests = {path: file.sha256 for path, file in wanted.items()}
        _write_marker(folder, registry.registry_id, {**ours, **digests})
        for path in written:
            _replace(folder / path, _bytes(registry, wanted[path]))
        for path in removed:
            _remove(folder, path)
        _write_marker(folder, registry.registry_id, digests)
    left_out = [
        f"{model.name}@{number}: its inputs or outputs differ from those of version {model.versions[-1]}"
        for model in models
        for number in model.left_out
    ]
    return Export(snapshot.revision, tuple(written), tuple(removed), tuple(left_out))


def _models(snapshot: Snapshot) -> Iterator[TritonModel]:
    for name, document in sorted(snapshot.models.items()):
        used = document.in_use
        if used:
            yield triton_model(name, {number: snapshot.state.manifest(name, number) for number in used})


def _files(snapshot: Snapshot, model: TritonModel) -> Iterator[_Wanted]:
    document = snapshot.models[model.name]
    for number in model.versions:
        facts = document.file(number, MODEL_FILE)
        yield _Wanted(f"{model.name}/{number}/{MODEL_FILE}", facts.sha256, version=(model.name, number))
    digest = sha256_hex(model.config.encode())
    yield _Wanted(f"{model.name}/{_CONFIG}", digest, config=model.config)


def _bytes(registry: Registry, file: _Wanted) -> bytes:
    if file.version is not None:
        return registry.read_file(*file.version, MODEL_FILE)
    return (file.config or "").encode()


def _marker(folder: Path, registry_id: str) -> dict[str, str]:
    """The files that earlier exports wrote, with their digests."""
    path = folder / MARKER
    if not path.exists():
        return {}
    try:
        marker = json.loads(path.read_bytes())
        number, owner, files = marker["schema_number"], marker["registry_id"], dict(marker["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptError(str(path), "it is no list of exported files; export to an empty folder") from error
    if number > EXPORT_SCHEMA:
        raise SchemaVersionError(str(path), number, EXPORT_SCHEMA)
    if owner != registry_id:
        raise RefusedError(str(folder), [f"it holds the export of registry {owner}; export to another folder"])
    for name in files:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise CorruptError(str(path), f"it lists {name!r}, which no export wrote")
    return files


def _write_marker(folder: Path, registry_id: str, files: Mapping[str, str]) -> None:
    marker = {"schema_number": EXPORT_SCHEMA, "registry_id": registry_id, "files": dict(files)}
    data = canonical_json(marker)
    if not _is_there(folder / MARKER, sha256_hex(data)):
        _replace(folder / MARKER, data)


def _refuse_strangers(folder: Path, wanted: Mapping[str, _Wanted], ours: Mapping[str, str]) -> None:
    taken = [
        path
        for path, file in wanted.items()
        if path not in ours and (folder / path).exists() and not _is_there(folder / path, file.sha256)
    ]
    if taken:
        raise RefusedError(str(folder), [f"{path} was not written by an export; move it away" for path in taken])


def _is_there(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_hex(path.read_bytes()) == sha256


def _replace(path: Path, data: bytes) -> None:
    """Writes beside the final name and renames, so that a reader has the whole old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with fresh.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _remove(folder: Path, path: str) -> None:
    """Removes one file, and the folders that it leaves empty."""
    (folder / path).unlink(missing_ok=True)
    for parent in (folder / path).parents:
        if parent == folder or not parent.is_dir() or any(parent.iterdir()):
            return
        parent.rmdir()
