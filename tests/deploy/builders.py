"""Which builder this machine has."""

import os
import shutil
from pathlib import Path

from tests.deploy.buildah import Buildah
from tests.deploy.engine import Engine
from tests.deploy.images import Builder, succeeds


class NoBuilderError(Exception):
    """Nothing on this machine can build an image; says what to install."""


def find_builder(folder: Path) -> Builder:
    """The best there is here; ``folder`` is for what it stores. Raises NoBuilderError."""
    for engine in ("docker", "podman"):
        if succeeds(engine, "info"):
            return Engine(engine)
    if os.geteuid() == 0 and shutil.which("buildah") and shutil.which("debootstrap"):
        return Buildah(folder)
    raise NoBuilderError(
        "no image can be built here: start docker or podman, or as root `apt-get install buildah debootstrap`"
    )
