"""What a publisher states about an external model, and what the checking process takes and returns. Values only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from scoreline_registry.documents.contract import InputContract, ScoreContract
from scoreline_registry.documents.manifest import GoldenFacts, ParityFacts
from scoreline_registry.documents.tensors import TensorContract
from scoreline_registry.errors import InvalidError
from scoreline_registry.strict_yaml import read_yaml
from scoreline_trainers.evaluation.bands.score_range import check_bands
from scoreline_trainers.problems import problems_of

INSPECTION_FILE = "inspection.json"
PROBES_FILE = "probes.npz"
VERDICT_FILE = "verdict.json"
PUBLISHED_FILE = "published.onnx"

Text = Annotated[str, StringConstraints(min_length=1)]


class _Stated(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ManifestSpec(_Stated):
    """What a publisher states about a graph; the rest of a manifest is measured."""

    family: str = Field(default="onnx", min_length=1, max_length=64)
    task: str = Field(default="binary", min_length=1, max_length=64)
    inputs: InputContract = InputContract()
    score: ScoreContract
    metrics: dict[str, float] = {}

    @field_validator("score")
    @classmethod
    def _has_reachable_bands(cls, score: ScoreContract) -> ScoreContract:
        check_bands(score)
        return score

    @classmethod
    def stated(cls, *, features: Sequence[str], meaning: str, kind: str | None = None) -> "ManifestSpec":
        """A spec of required numbers, from their names alone. Raises InvalidError."""
        score = {"meaning": meaning, **({"kind": kind} if kind else {})}
        inputs = {"features": [{"name": name, "required": True} for name in features]}
        try:
            return cls.model_validate({"inputs": inputs, "score": score})
        except ValidationError as error:
            raise InvalidError("--features", problems_of(error, cls)) from error

    @classmethod
    def load(cls, path: Path) -> "ManifestSpec":
        """Reads a YAML or JSON file. Raises InvalidError with everything that is wrong."""
        try:
            return cls.model_validate(read_yaml(path.read_text(encoding="utf-8"), source=path.name))
        except OSError as error:
            raise InvalidError(str(path), [error.strerror or "it cannot be read"]) from error
        except UnicodeDecodeError as error:
            raise InvalidError(path.name, [f"it is not YAML: {error}"]) from error
        except ValidationError as error:
            raise InvalidError(path.name, problems_of(error, cls)) from error


class Wrapping(_Stated):
    """How a graph's own inputs and outputs map to the standard signature.

    Attributes:
        score_output: the output that is the score, with ":COLUMN" where it has several columns. Without one the graph
            must have the standard signature already, and is published byte by byte.
        inputs: the graph's input -> what it takes: "features", "sequence", "lengths", "neighbors", "neighbor_mask", or
            names of features. Inputs that are not named take what their own name says.
    """

    score_output: Text | None = None
    inputs: dict[Text, Text] = {}

    @property
    def is_empty(self) -> bool:
        """True where nothing is to be wrapped."""
        return self.score_output is None and not self.inputs


class Inspection(_Stated):
    """One model to check. Its graph and, where they are given, probe inputs are files beside this one.

    Attributes:
        subject: what errors call it.
        spec: None for a graph that is kept as it is.
    """

    subject: str
    spec: ManifestSpec | None = None
    wrapping: Wrapping = Wrapping()


class Verdict(_Stated):
    """The result of a check: either problems, or the facts of a manifest.

    Attributes:
        problems: everything that keeps the model from publication.
        rows: rows on which it was checked; of a graph as it is, 1.
        inputs: the contract, completed.
        tensors: of a graph as it is.
    """

    problems: tuple[str, ...] = ()
    rows: int = 0
    inputs: InputContract = InputContract()
    parity: ParityFacts | None = None
    golden: GoldenFacts | None = None
    tensors: TensorContract | None = None
