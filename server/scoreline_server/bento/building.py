"""From a route of a registry to a Bento in BentoML's store."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import bentoml

from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage
from scoreline_registry.versions.route_snapshot import FrozenVersion, freeze
from scoreline_server.bento.context import REGISTRY, REQUIREMENTS, SERVICE, WHEELS, write_facts
from scoreline_server.bento.packing import FILES, constraints, requirements, write_wheel


@dataclass(frozen=True, slots=True)
class Built:
    """A Bento: its tag in the store and its folder, and what it serves."""

    tag: str
    path: Path
    bytes: int
    revision: int
    versions: tuple[FrozenVersion, ...]


def build(registry: Registry, route: str, *, revision: int | None = None) -> Built:
    """Builds a Bento that serves a route as of a revision, the newest one by default.

    Raises RegistryError for what the registry does not have, and StartError when the wheel cannot be built.
    """
    with tempfile.TemporaryDirectory(prefix="scoreline-bento-") as name:
        folder = Path(name)
        frozen = freeze(registry, route, LocalStorage(folder / REGISTRY), revision=revision)
        write_facts(folder, frozen)
        wheel = write_wheel(folder / WHEELS)
        (folder / REQUIREMENTS).write_text(requirements(wheel, constraints()))
        shutil.copyfile(FILES / SERVICE, folder / SERVICE)
        bento = bentoml.build(f"{SERVICE}:Scoring", build_ctx=str(folder), include=["*"])
    path = Path(bento.path)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return Built(str(bento.tag), path, size, frozen.revision, frozen.versions)
