"""Mutation testing of some modules by mutmut: which changed operators, constants and texts no test notices.

``python -m tests.mutants MODULE ... --tests TESTS ... --only '*[37]'``; needs ``pip install mutmut``. mutmut finds
tests of a package only where its folder stands in ``src``, so it runs on a copy of the repository with that layout.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
HINT = "mutmut is missing: pip install mutmut"
_PACKAGES = (
    "clients/scoreline",
    "registry/scoreline_registry",
    "server/scoreline_server",
    "trainers/scoreline_trainers",
)
_SETTINGS = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = {modules}
also_copy = ["tests", "protos", "docs", "README.md", "Makefile", "constraints.txt"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist"]
pytest_add_cli_args_test_selection = {tests}
# Tests start threads of gRPC, which do not survive a fork.
process_isolation = "forkserver"
use_git_change_detection = false
track_dependencies = false
timeout_constant = 60.0
"""


def main() -> None:
    """Prints the mutants that survive as differences of source, and how many mutants were killed."""
    arguments = _arguments()
    mutmut = shutil.which("mutmut", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if mutmut is None:
        sys.exit(HINT)
    lay_out(arguments.folder, arguments.modules, arguments.tests)
    # Its progress is a line per mutant and frame, which is for terminals only.
    shown = None if sys.stdout.isatty() else subprocess.DEVNULL
    subprocess.run([mutmut, "run", arguments.only], cwd=arguments.folder, check=True, stdout=shown)
    codes = exit_codes(arguments.folder)
    survived = [name for name, code in codes.items() if code == 0]
    for name in survived:
        subprocess.run([mutmut, "show", name], cwd=arguments.folder, check=True)
    print(f"{len(codes) - len(survived)} of {len(codes)} mutants were killed")


def lay_out(folder: Path, modules: Sequence[Path], tests: Sequence[str]) -> None:
    """Copies the repository into a folder as mutmut needs it, with its settings."""
    shutil.rmtree(folder, ignore_errors=True)
    for package in _PACKAGES:
        shutil.copytree(ROOT / package, folder / "src" / Path(package).name)
    for name in ("tests", "protos", "docs"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("README.md", "Makefile", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    patterns = [str(Path("src", *module.parts[1:])) for module in modules]
    settings = _SETTINGS.format(modules=json.dumps(patterns), tests=json.dumps(tests))
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + settings)


def exit_codes(folder: Path) -> dict[str, int]:
    """Of each mutant that was tried, by name, the exit code of its tests: 0 where it survived."""
    found: dict[str, int | None] = {}
    for file in (folder / "mutants" / "src").rglob("*.meta"):
        found |= json.loads(file.read_text())["exit_code_by_key"]
    return {name: code for name, code in found.items() if code is not None}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="+", type=Path, help="files such as server/scoreline_server/scoring/wire.py")
    parser.add_argument("--tests", nargs="+", required=True, help="files or folders of their tests")
    parser.add_argument("--only", default="*", help="a pattern of the numbered mutants to try; '*[37]' for a fifth")
    parser.add_argument("--folder", type=Path, default=ROOT / ".mutants", help="where the copy lies")
    return parser.parse_args()


if __name__ == "__main__":
    main()
