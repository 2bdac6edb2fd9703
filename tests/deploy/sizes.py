"""``make sizes``: how large an install is, each held against its bar."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scoreline.cli.output import print_table
from tests.deploy.builders import NoBuilderError, find_builder
from tests.deploy.releases import build_wheel, install, site_packages

# The most that each may be, in MiB.
BARS: Mapping[str, float] = {"bare client": 110, "server": 220, "image": 350}
# What the dependencies alone weighed when the project was designed.
PLANNED: Mapping[str, float] = {"bare client": 94, "server": 164}


@dataclass(frozen=True)
class Size:
    """One size in MiB: all of it, and Scoreline's own part where that was looked at. None: not measured."""

    what: str
    all: float | None
    own: float | None
    how: str

    @property
    def verdict(self) -> str:
        """For people."""
        if self.all is None:
            return "not measured"
        return "ok" if self.all <= BARS[self.what] else "TOO LARGE"


def installs(folder: Path) -> Iterator[Size]:
    """Builds the wheel and installs it into fresh environments."""
    wheel = build_wheel(folder)
    for what, extra in (("bare client", ""), ("server", "server")):
        packages = site_packages(install(wheel, folder / f"venv-{extra}", extra=extra))
        own = sum(map(mebibytes, packages.glob("scoreline*")))
        yield Size(what, mebibytes(packages), own, "site-packages with compiled files, without pip")


def image(folder: Path) -> Size:
    """Builds the image where something can."""
    try:
        builder = find_builder(folder)
    except NoBuilderError as error:
        return Size("image", None, None, str(error))
    built = builder.build()
    builder.remove()
    return Size("image", built.size_bytes / 2**20, None, built.way)


def mebibytes(folder: Path) -> float:
    """What a folder takes on disk, in whole blocks, as du says."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 2**20


def main() -> int:
    """Prints the table; 1 where something is too large."""
    with tempfile.TemporaryDirectory(prefix="scoreline-sizes-") as folder:
        sizes = [*installs(Path(folder)), image(Path(folder) / "image")]
    rows = [(s.what, _whole(s.all), _whole(s.own), PLANNED.get(s.what), BARS[s.what], s.verdict, s.how) for s in sizes]
    print_table(("what", "MiB", "own", "planned", "bar", "verdict", "how"), rows)
    return int(any(size.verdict == "TOO LARGE" for size in sizes))


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


if __name__ == "__main__":
    sys.exit(main())
