"""Runs the commands of a page in order in one shell, as a reader would."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.benchmarks.processes import free_port
from tests.docs.pages import ROOT, Block, blocks

_PRELUDE = Path(__file__).with_name("prelude.sh").read_text()
_PORT = "127.0.0.1:50051"


def nothing(folder: Path) -> None:
    """What most pages need to be there before: nothing."""
    del folder


@dataclass(frozen=True)
class Walk:
    """Sections of a page to be run together; without any, the whole page.

    Attributes:
        page: its path from the root of the repository.
        sections: headings; empty for all.
        prepare: makes what the page takes for granted, in the folder where the commands run.
        moved: absolute paths that the page names; they lie in the folder instead.
        python: whether the page's Python runs too, where it stands.
    """

    page: str
    sections: Sequence[str] = ()
    prepare: Callable[[Path], None] = field(default=nothing)
    moved: Sequence[str] = ()
    python: bool = True

    def covers(self, block: Block) -> bool:
        """Whether the block is run by this walk."""
        languages = {"console", "python"} if self.python else {"console"}
        here = block.page == self.page and (not self.sections or block.heading in self.sections)
        return here and (block.language in languages or bool(block.file))

    def outputs(self) -> list[str]:
        """What the page says that its commands print: blocks of text right after a block that runs."""
        pairs = pairwise(blocks(self.page))
        shown = [after for before, after in pairs if after.language == "text" and self._runs(before, after)]
        return [line for block in shown for line in block.text.splitlines() if line.strip(" .…")]

    def _runs(self, before: Block, after: Block) -> bool:
        # What make runs is looked up and not run, see prelude.sh.
        return self.covers(before) and before.heading == after.heading and not before.text.startswith("make ")

    def script(self, folder: Path, address: str) -> str:
        """The commands as one script of bash."""
        text = "\n".join(_commands(block) for block in blocks(self.page) if self.covers(block))
        for path in self.moved:
            text = re.sub(rf"(?<=\s){path}\b", f"{folder}{path}", text)
        return text.replace(_PORT, address)


def not_printed(lines: Sequence[str], printed: str) -> list[str]:
    """The lines that are not in the output, numbers, digests and spaces aside."""
    found = {_plain(line) for line in printed.splitlines()}
    return [line for line in lines if _plain(line) not in found]


def _plain(line: str) -> str:
    return " ".join(re.sub(r"[0-9a-f]{16,}|\d[\d.,:e+-]*", "#", line).split())


def run(walk: Walk, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a walk in a folder, its server on ports that are free."""
    walk.prepare(folder)
    address = f"127.0.0.1:{free_port()}"
    return run_script(walk.script(folder, address), folder, address)


def run_script(script: str, folder: Path, address: str) -> subprocess.CompletedProcess[str]:
    """Runs commands as those of a page; ``address`` is where a server of theirs listens."""
    # A developer's own settings stay outside; where the data is does not.
    kept = {name: value for name, value in os.environ.items() if name == "SCORELINE_DATA" or "SCORELINE" not in name}
    environment = kept | {
        "LOGNAME": "ana",  # the author of what the commands change
        "ROOT": str(ROOT),
        "PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "SCORELINE_LISTEN": address,
        "SCORELINE_SERVER": address,
        "SCORELINE_OPS_LISTEN": f"127.0.0.1:{free_port()}",
    }
    command = ["bash", "-c", f"{_PRELUDE}\nset -x\n{script}"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900
    )


def _commands(block: Block) -> str:
    """A block as bash: files are written, Python is piped in, prompts go."""
    if block.file:
        return f"cat > {block.file} <<'END_OF_FILE'\n{block.text}END_OF_FILE"
    if block.language == "python":
        return f"\"$PYTHON\" - <<'END_OF_FILE'\n{block.text}END_OF_FILE"
    return re.sub(r"^\$ ", "", block.text, flags=re.MULTILINE)
