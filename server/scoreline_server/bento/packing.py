"""The wheel of this very Scoreline, and the exact versions of everything that it needs in a Bento."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping
from email import message_from_bytes
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from scoreline_server.errors import StartError

_CONSTRAINTS = "constraints.txt"
EXTRA = "bento"
_OURS = canonicalize_name("scoreline")
FILES = Path(__file__).with_name("files")
_TREE = Path(__file__).parents[3]
_FOR_BUILDING = frozenset({canonicalize_name("uv")})
_BY_PIP = frozenset({"INSTALLER", "REQUESTED", "direct_url.json"})
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)$", re.MULTILINE)


def constraints() -> str:
    """The one set of versions: beside this module where Scoreline is installed, else in the source tree."""
    installed = FILES / _CONSTRAINTS
    return (installed if installed.exists() else _TREE / _CONSTRAINTS).read_text()


def write_wheel(folder: Path) -> Path:
    """Builds the wheel from the source tree, or packs what is installed into one again. Raises StartError."""
    folder.mkdir(parents=True)
    if not (_TREE / "pyproject.toml").exists():
        return _repacked(folder)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    built = subprocess.run(  # noqa: S603  our own interpreter and our own words
        [*command, "--wheel-dir", str(folder), str(_TREE)], capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise StartError(f"the wheel cannot be built: {(built.stderr.strip().splitlines() or ['pip failed'])[-1]}")
    return next(folder.glob("scoreline-*.whl"))


def _repacked(folder: Path) -> Path:
    """The installed files are what the wheel's RECORD lists, whatever pip added outside of the packages apart."""
    installed = distribution("scoreline")
    wheel = folder / f"scoreline-{installed.version}-py3-none-any.whl"
    ours = [
        path
        for path in installed.files or ()
        if path.suffix != ".pyc" and ".." not in path.parts and path.name not in _BY_PIP
    ]
    lines = (f"{path},{f'{path.hash.mode}={path.hash.value}' if path.hash else ''},{path.size or ''}" for path in ours)
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in ours:
            if path.name != "RECORD":
                archive.write(str(path.locate()), str(path))
        record = next(path for path in ours if path.name == "RECORD")
        archive.writestr(str(record), "\n".join(lines) + "\n")
    return wheel


def requirements(wheel: Path, versions: str) -> str:
    """Everything that the wheel needs with the extra ``bento``, at these versions, then the wheel.

    Raises StartError when one has no version there.
    """
    pins = {canonicalize_name(name): f"{name}=={version}" for name, version in _PIN.findall(versions)}
    needed = closure(_own(wheel), _requirements_of) - _FOR_BUILDING
    unknown = sorted(needed - pins.keys())
    if unknown:
        raise StartError(f"{_CONSTRAINTS} has no version of {', '.join(unknown)}: add what pip resolves")
    return "\n".join([*(pins[name] for name in sorted(needed)), f"./wheels/{wheel.name}"]) + "\n"


def closure(own: Mapping[str, Iterable[str]], requirements_of: Callable[[str], Iterable[str]]) -> set[NormalizedName]:
    """The names of all distributions that the extra needs, directly or not.

    ``own`` are the wheel's requirements by extra, "" for those without one.
    """
    wanted = {(_OURS, ""), (_OURS, EXTRA)}
    seen = set[tuple[NormalizedName, str]]()
    while wanted:
        name, extra = item = wanted.pop()
        seen.add(item)
        lines = own.get(extra, ()) if name == _OURS else requirements_of(name)
        for line in lines:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                found = canonicalize_name(requirement.name)
                wanted |= {(found, ""), *((found, more) for more in requirement.extras)} - seen
    return {name for name, _ in seen} - {_OURS}


def _own(wheel: Path) -> dict[str, list[str]]:
    """The wheel's requirements by extra."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    lines: list[str] = metadata.get_all("Requires-Dist", [])
    extras = ["", *metadata.get_all("Provides-Extra", [])]
    return {extra: [line for line in lines if extra or "extra ==" not in line] for extra in extras}


def _requirements_of(name: str) -> Iterable[str]:
    try:
        return requires(name) or ()
    except PackageNotFoundError as error:
        raise StartError(f"{name} is not installed: pip install 'scoreline[{EXTRA}]'") from error
