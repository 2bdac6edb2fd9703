"""A Dockerfile as its instructions, stage by stage."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction: its keyword in capitals, its flags (``--from=build``) and the rest on one line."""

    keyword: str
    flags: Mapping[str, str]
    value: str

    @property
    def words(self) -> Sequence[str]:
        """The value as a list, whether it is written as JSON or by spaces."""
        return json.loads(self.value) if self.value.startswith("[") else self.value.split()


@dataclass(frozen=True)
class Stage:
    """What follows one FROM."""

    base: str
    name: str
    instructions: Sequence[Instruction]

    def all(self, keyword: str) -> list[Instruction]:
        """The instructions of one keyword, in order."""
        return [one for one in self.instructions if one.keyword == keyword]

    def last(self, keyword: str) -> Instruction:
        """The one that counts where later ones replace earlier ones."""
        return self.all(keyword)[-1]

    def pairs(self, keyword: str) -> dict[str, str]:
        """NAME=VALUE of all instructions of one keyword."""
        text = " ".join(one.value for one in self.all(keyword))
        return {name: quoted or bare for name, quoted, bare in re.findall(r'([\w.]+)=(?:"([^"]*)"|(\S+))', text)}


def read_stages(path: Path) -> list[Stage]:
    """The stages of a Dockerfile. Raises ValueError for a line that is no instruction."""
    stages: list[Stage] = []
    for one in _instructions(path.read_text()):
        if one.keyword == "FROM":
            base, *alias = one.words
            stages.append(Stage(base, alias[1] if alias else "", instructions=(held := [])))
        elif stages:
            held.append(one)
    return stages


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        match = re.fullmatch(r"([A-Z]+)\s+((?:--\S+\s+)*)(.*)", line)
        if match is None:
            raise ValueError(f"not an instruction: {line}")
        flags = dict(flag.removeprefix("--").split("=", 1) for flag in match[2].split())
        yield Instruction(match[1], flags, match[3])
