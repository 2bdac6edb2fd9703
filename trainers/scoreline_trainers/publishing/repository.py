"""Reads a model repository of Triton or OpenVINO: folders of models, each with a configuration and versions.

DIR/<model>/config.pbtxt
DIR/<model>/<version>/model.onnx
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scoreline_registry.documents.tensors import Datatype, Tensor, TensorContract
from scoreline_registry.errors import InvalidNameError
from scoreline_registry.names import check_name
from scoreline_trainers.publishing.model_config import ModelConfig, parse_config

CONFIG_FILE = "config.pbtxt"
MAX_CONFIG_BYTES = 2**20

_VERSION = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class FoundVersion:
    """One version of a repository.

    Attributes:
        folder: the model's folder, which is what the other server calls it.
        version: the other server's number; 0 where the model as a whole is not taken.
        model: what it is called here.
        file: its ONNX file, or None where it is not taken.
        served: whether the repository's policy has the other server serve it.
        skipped: why it is not taken; empty where it is.
        config: of the model.
    """

    folder: str
    version: int
    model: str
    file: Path | None
    served: bool
    skipped: str
    config: ModelConfig


def find_versions(repository: Path) -> Iterator[FoundVersion]:
    """Every version of a repository, ascending, and each model without a usable version, with the reason."""
    names: dict[str, str] = {}
    for folder in sorted(path for path in repository.iterdir() if path.is_dir() and not path.name.startswith(".")):
        model = model_name(folder.name)
        other = names.setdefault(model, folder.name)
        try:
            config = _config(folder)
            _refuse_model(folder, config, model, taken_by=other if other != folder.name else "")
            numbers = sorted(int(path.name) for path in folder.iterdir() if _VERSION.fullmatch(path.name))
            if not numbers:
                raise _SkippedError("it has no folder of a version, such as 1")
        except _SkippedError as error:
            yield FoundVersion(folder.name, 0, model, None, served=False, skipped=str(error), config=ModelConfig())
            continue
        served = config.policy.served(numbers)
        for number in numbers:
            yield _version(repository, folder, number, model, config, served=number in served)


def model_name(folder: str) -> str:
    """A name for a model here: what other servers allow and no registry could hold becomes a dash; may be empty."""
    plain = _NOT_IN_NAMES.sub("-", folder.lower()).strip("-") if not _is_name(folder) else folder
    return plain if _is_name(plain) else (f"m-{plain}"[:64].rstrip("-") if plain else "")


def config_problems(config: ModelConfig, tensors: TensorContract) -> list[str]:
    """Differences between a graph's tensors and its configuration."""
    return [
        *_side_problems("input", config.inputs or {}, tensors.inputs),
        *_side_problems("output", config.outputs or {}, tensors.outputs),
    ]


class _SkippedError(Exception):
    """The reason why a model or version is skipped."""


def _is_name(name: str) -> bool:
    try:
        check_name("model", name)
    except InvalidNameError:
        return False
    return True


def _config(folder: Path) -> ModelConfig:
    """The configuration; an ONNX model may have none, then both servers derive it from the graph."""
    file = folder / CONFIG_FILE
    if not file.is_file():
        return ModelConfig()
    with file.open("rb") as opened:
        data = opened.read(MAX_CONFIG_BYTES + 1)
    if len(data) > MAX_CONFIG_BYTES:
        raise _SkippedError(f"{CONFIG_FILE} has more than {MAX_CONFIG_BYTES:,} bytes")
    try:
        return parse_config(data.decode("utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise _SkippedError(f"{CONFIG_FILE} is no model configuration: {error}") from error


def _refuse_model(folder: Path, config: ModelConfig, model: str, *, taken_by: str) -> None:
    if not model:
        raise _SkippedError("its name has no letter or digit that a registry's name may have")
    if taken_by:
        raise _SkippedError(f"it would be called {model} as {taken_by} is: rename one of the folders")
    if config.name not in ("", folder.name):
        raise _SkippedError(f"{CONFIG_FILE} names it {config.name!r}, its folder {folder.name!r}")
    if not config.is_onnx:
        raise _SkippedError(f"its backend is {config.kind or config.file!r}, not ONNX Runtime")
    if Path(config.file).name != config.file:
        raise _SkippedError(f"its file {config.file!r} is not in the version's folder")


def _version(
    repository: Path, folder: Path, number: int, model: str, config: ModelConfig, *, served: bool
) -> FoundVersion:
    file = folder / str(number) / config.file
    skipped = ""
    if not file.resolve().is_relative_to(repository.resolve()):
        skipped = f"{config.file} is a link out of the repository"
    elif file.is_dir():
        skipped = f"{config.file} is a folder: save the model as one file"
    elif not file.is_file():
        skipped = f"there is no {config.file}"
    return FoundVersion(folder.name, number, model, None if skipped else file, served, skipped, config)


def _side_problems(what: str, stated: Mapping[str, Datatype | None], found: tuple[Tensor, ...]) -> Iterator[str]:
    datatypes = {tensor.name: tensor.datatype for tensor in found}
    for name, datatype in stated.items():
        if name not in datatypes:
            yield f"{CONFIG_FILE} has the {what} {name!r}, which the graph lacks"
        elif datatype is not None and datatype != datatypes[name]:
            yield f"{CONFIG_FILE} has the {what} {name!r} as {datatype}, the graph as {datatypes[name]}"
