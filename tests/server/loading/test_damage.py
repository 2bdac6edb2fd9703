"""Whatever happens to a registry's files, a running server serves what it loaded, and a new one says what is wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.errors import StartError
from scoreline_server.settings import Settings
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named

ANN = named(entity("ann", income=1.0))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def delete(path: Path) -> None:
    path.unlink()


def link_out(path: Path) -> None:
    root = next(folder for folder in path.parents if folder.name == "registry")
    outside = root.parent / f"outside-{path.name}"
    shutil.move(path, outside)
    path.symlink_to(outside)


# What a server needs: seals and claims are for writers, and `scoreline verify` looks at them.
NEEDED = ("registry.json", "revisions/", "documents/", "model.onnx", "manifest.json", "golden.npz")


def needed(root: Path) -> list[Path]:
    """The files of a registry that a server reads."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return [path for path in files if any(part in str(path.relative_to(root)) for part in NEEDED)]


def unlocked(path: Path) -> None:
    for place in (path, path.parent):
        place.chmod(place.stat().st_mode | 0o200)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A registry with one route, whose every document is the newest of its kind."""
    folder = tmp_path / "registry"
    registry = Registry.create(folder)
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return folder


@pytest.mark.parametrize("damage", [flip, truncate, delete, link_out])
def test_a_running_server_serves_on_and_a_new_one_says_what_is_wrong(
    root: Path, settings: Settings, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    here = settings.model_copy(update={"registry": str(root)})
    shutil.copytree(root, tmp_path / "sound")
    paths = [path.relative_to(root) for path in needed(root)]
    assert len(paths) >= 8
    with Server(here) as server, grpc.insecure_channel(server.address) as channel:
        stub, status = rpc.ScoringServiceStub(channel), rpc.StatusServiceStub(channel)
        for path in paths:
            unlocked(root / path)
            damage(root / path)
            server.watcher.look_now(5)
            assert stub.Score(ANN).scores[0].version == 1, path
            assert status.GetStatus(pb.GetStatusRequest()).routes[0].adopted_revision == 2
            told = problems_of_a_new_server(here)
            assert told, f"{damage.__name__} {path}: nobody said anything"
            shutil.rmtree(root)
            shutil.copytree(tmp_path / "sound", root)
        server.watcher.look_now(5)
        assert status.GetStatus(pb.GetStatusRequest()).problem == ""


def problems_of_a_new_server(settings: Settings) -> list[str]:
    """Everything that a server complains of that starts now."""
    try:
        server = Server(settings)
    except StartError as error:
        return [str(error)]
    server.watcher.refresh(at_start=True)
    catalog = server.watcher.catalog
    server.stop()
    refused = [error.detail for error in catalog.failures.values()]
    return [text for text in (catalog.problem, *catalog.problems.values(), *refused) if text]
