"""Buildah as root, without a daemon or a registry."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.confined import confined
from tests.deploy.images import DOCKERFILE, NAME, ROOT, Container, Image, run, succeeds

_BASE = "debian:bookworm-slim"
# What the base has: wheels that are fetched outside must fit it.
_PYTHON = (3, 11)
_UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9}


@dataclass(frozen=True)
class Buildah:
    """What it stores goes into ``folder``."""

    folder: Path

    def build(self) -> Image:
        """Builds on the registry's base or, where no registry can be reached, on one by debootstrap."""
        self.folder.mkdir(exist_ok=True)
        base, origin = self._base()
        wheels = self._wheels()
        config = self.folder / "pip.conf"
        config.write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        self._buildah(
            "bud", "--isolation", "chroot", "--format", "docker", "--build-arg", f"DEBIAN={base}",
            "--secret", f"id=pip.conf,src={config}", "--volume", f"{wheels}:/wheels:ro",
            "--file", DOCKERFILE, "--tag", NAME, ROOT,
        )  # fmt: skip
        facts = json.loads(self._buildah("inspect", "--type", "image", NAME))
        (listed,) = json.loads(self._buildah("images", "--json", NAME))
        version = self._buildah("--version").split()[2]
        return Image(f"buildah {version} on {origin}", _size(listed["size"]), facts["Docker"]["config"])

    @contextmanager
    def serving(self, image: Image, registry: Path, **settings: str) -> Iterator[Container]:
        """Runs the image's file system in namespaces of its own."""
        name = self._buildah("from", NAME).strip()
        try:
            root = Path(self._buildah("mount", name).strip())
            with confined(root, image, registry, settings, log=self.folder / f"{name}.log") as container:
                yield container
        finally:
            self._buildah("rm", name)

    def remove(self) -> None:
        """Everything goes: a build leaves more than a gigabyte."""
        self._buildah("rm", "--all")
        self._buildah("rmi", "--all", "--force")
        shutil.rmtree(self.folder)

    def _base(self) -> tuple[str, str]:
        if succeeds(*self._command("pull", _BASE)):
            return _BASE, _BASE
        tree = self.folder / "base"
        run("debootstrap", "--variant=minbase", "bookworm", tree)
        _slim(tree)
        container = self._buildah("from", "scratch").strip()
        self._buildah("add", "--quiet", container, tree, "/")
        self._buildah("commit", "--quiet", container, f"localhost/{_BASE}")
        self._buildah("rm", container)
        shutil.rmtree(tree)
        return f"localhost/{_BASE}", "Debian bookworm by debootstrap"

    def _wheels(self) -> Path:
        """All that the image installs, fetched as this machine's pip is set up to."""
        if sys.version_info[:2] != _PYTHON:
            raise RuntimeError("the image's wheels are fetched by this Python, which must be 3.11 as the image's is")
        wheels = self.folder / "wheels"
        pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--wheel-dir", wheels)
        run(*pip, "-c", ROOT / "constraints.txt", "hatchling", f"{ROOT}[server]")
        return wheels

    def _buildah(self, *arguments: str | Path) -> str:
        return run(*self._command(*arguments))

    def _command(self, *arguments: str | Path) -> tuple[str | Path, ...]:
        stores = ("--root", self.folder / "storage", "--runroot", self.folder / "run")
        return ("buildah", "--storage-driver", "vfs", *stores, *arguments)


def _slim(tree: Path) -> None:
    """Leaves out what Debian's own slim images leave out."""
    for folder in ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/lib/apt/lists"):
        shutil.rmtree(tree / folder)
        (tree / folder).mkdir()
    for archive in (tree / "var/cache/apt/archives").glob("*.deb"):
        archive.unlink()


def _size(text: str) -> int:
    number, unit = text.split()
    return round(float(number) * _UNITS[unit])
