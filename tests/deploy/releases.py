"""Builds what a release is made of, and installs it into environments of its own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.deploy.images import ROOT, run

_CONSTRAINTS = ("-c", ROOT / "constraints.txt")
# The tree under test must not stand in for what was installed.
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SCORELINE_", "VIRTUAL_"))}


def build_wheel(folder: Path, source: Path = ROOT) -> Path:
    """The wheel of the tree, or of an sdist."""
    pip("wheel", "--no-deps", "--wheel-dir", folder / "wheel", source)
    (wheel,) = (folder / "wheel").glob("scoreline-*.whl")
    return wheel


def build_sdist(folder: Path) -> Path:
    """The sdist of the tree, by the build backend itself."""
    pip("install", "--target", folder / "backend", "hatchling", *_CONSTRAINTS)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(folder / "sdist")]
    subprocess.run(
        command, cwd=ROOT, env=CLEAN | {"PYTHONPATH": str(folder / "backend")}, check=True, capture_output=True
    )
    (sdist,) = (folder / "sdist").glob("scoreline-*.tar.gz")
    return sdist


def install(package: Path, folder: Path, *, extra: str = "") -> Path:
    """Installs a wheel or an sdist into a fresh environment; the environment's Python."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    wanted = f"{package}[{extra}]" if extra else package
    pip("--python", python, "install", *_CONSTRAINTS, wanted)
    return python


def site_packages(python: Path) -> Path:
    """Where that Python's packages are."""
    return Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())


def pip(*arguments: str | Path) -> str:
    """Runs this Python's pip."""
    return run(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)
