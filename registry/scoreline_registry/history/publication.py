"""Stores a version's files: claims a number, then writes its folder, the manifest last.

A version exists once a revision names it; an interrupted publication leaves only files that ``gc`` removes.
"""

from collections.abc import Mapping
from datetime import datetime

from scoreline_registry.documents.base import FrozenModel
from scoreline_registry.documents.documents import decode, encode, sha256_hex
from scoreline_registry.documents.manifest import (
    CLAIM_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    FileDigest,
    Manifest,
    Moment,
)
from scoreline_registry.errors import (
    ClaimLostError,
    InvalidError,
    InvalidNameError,
    MissingKeyError,
    StorageError,
)
from scoreline_registry.names import check_name
from scoreline_registry.storage import Storage, put_same

CLAIM_SCHEMA = 1

_RESERVED = (CLAIM_FILE, MANIFEST_FILE)


class Claim(FrozenModel):
    """``claim.json``: the claim of a version's number. Age is judged by the store's clock, not by ``created_at``."""

    schema_number: int = CLAIM_SCHEMA
    claim_id: str
    author: str
    created_at: Moment


def version_key(model: str, version: int, name: str) -> str:
    """The storage key of a version's file."""
    return f"models/{model}/{version}/{name}"


def facts_of(data: bytes) -> FileDigest:
    """The digest and size of a file."""
    return FileDigest(sha256=sha256_hex(data), bytes=len(data))


def check_files(model: str, files: Mapping[str, bytes]) -> None:
    """Raises InvalidError for files that a version cannot have, and for a missing model file."""
    errors = [f"{name!r} is written by the registry itself" for name in files if name in _RESERVED]
    if MODEL_FILE not in files:
        errors.append(f"there is no {MODEL_FILE!r}")
    for name in files:
        try:
            check_name("file", name)
        except InvalidNameError as error:
            errors.append(str(error))
    if errors:
        raise InvalidError(f"version of {model}", errors)


def claim_version(storage: Storage, model: str, *, first: int, claim_id: str, author: str, now: datetime) -> int:
    """Claims the first free number from ``first`` on and returns it."""
    data = encode(Claim(claim_id=claim_id, author=author, created_at=now))
    version = first
    while not put_same(storage, version_key(model, version, CLAIM_FILE), data):
        version += 1
    return version


def check_claim(storage: Storage, model: str, version: int, *, claim_id: str) -> None:
    """Raises ClaimLostError when a claim is gone, as after ``gc`` took it for abandoned."""
    key = version_key(model, version, CLAIM_FILE)
    try:
        claim = decode(Claim, storage.read(key), key=key, supported=CLAIM_SCHEMA)
    except MissingKeyError as error:
        raise ClaimLostError(f"{model}@{version}") from error
    if claim.claim_id != claim_id:
        raise ClaimLostError(f"{model}@{version}")


def complete_manifest(files: Mapping[str, bytes], manifest: Manifest) -> bytes:
    """The bytes of a version's manifest, with the digests of its other files filled in."""
    return encode(manifest.model_copy(update={"files": {name: facts_of(data) for name, data in sorted(files.items())}}))


def write_version(storage: Storage, model: str, version: int, files: Mapping[str, bytes]) -> dict[str, FileDigest]:
    """Writes the files of a claimed version, the manifest last; returns the digest of each."""
    for name in sorted(files, key=lambda name: (name == MANIFEST_FILE, name)):
        key = version_key(model, version, name)
        if not put_same(storage, key, files[name]):
            raise StorageError(key, "another file is there, although the folder was claimed")
    return {name: facts_of(data) for name, data in sorted(files.items())}
