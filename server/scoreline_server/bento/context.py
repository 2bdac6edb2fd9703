"""The folder that a Bento is built from, which becomes its ``src``."""

from pathlib import Path

from scoreline_registry.documents.base import FrozenModel
from scoreline_registry.documents.documents import decode, encode
from scoreline_registry.versions.route_snapshot import Frozen

REGISTRY = "registry"
REQUIREMENTS = "requirements.txt"
WHEELS = "wheels"
SERVICE = "service.py"
_FACTS = "frozen.json"
_SCHEMA = 1


class VersionFacts(FrozenModel):
    """One version; ``sha256`` is that of its model file."""

    model: str
    version: int
    sha256: str


class Facts(FrozenModel):
    """``frozen.json``: the source of the frozen registry."""

    schema_number: int = _SCHEMA
    registry_id: str
    revision: int
    route: str
    versions: tuple[VersionFacts, ...]


def write_facts(folder: Path, frozen: Frozen) -> None:
    """Writes the facts of a frozen registry into a folder."""
    facts = Facts(
        registry_id=frozen.registry_id,
        revision=frozen.revision,
        route=frozen.route,
        versions=tuple(VersionFacts(model=v.model, version=v.version, sha256=v.sha256) for v in frozen.versions),
    )
    (folder / _FACTS).write_bytes(encode(facts))


def read_facts(folder: Path) -> Facts:
    """Reads the facts of a frozen registry. Raises CorruptError and SchemaVersionError."""
    path = folder / _FACTS
    return decode(Facts, path.read_bytes(), key=str(path), supported=_SCHEMA)
