"""The manifest of one version: inputs, score, metrics, training and files."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from scoreline_registry.documents.base import FrozenModel, OmitDefaults
from scoreline_registry.documents.contract import InputContract, ScoreContract
from scoreline_registry.documents.tensors import TensorContract

MANIFEST_SCHEMA = 1

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
GOLDEN_FILE = "golden.npz"
BASELINE_FILE = "baseline.json"
BOOSTER_FILE = "booster.txt"
CARD_FILE = "card.md"
REPORT_FILE = "report.json"
REFERENCE_FILE = "reference.npz"
EXPLANATION_FILE = "explanation.json"
REASONS_FILE = "reasons.npz"
CLAIM_FILE = "claim.json"

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("times carry their zone")
    return moment


Moment = Annotated[datetime, AfterValidator(_aware)]


class FileDigest(FrozenModel):
    """One file of a version: sha256 in hex and size in bytes."""

    sha256: Digest
    bytes: int = Field(ge=0)


class ParityFacts(FrozenModel):
    """The comparison of the ONNX graph with the native model by the publication gate.

    ``max_difference`` is the largest absolute difference of the score over ``rows`` rows; every row was within
    ``tolerance``.
    """

    rows: int = Field(ge=1)
    max_difference: float = Field(ge=0)
    tolerance: float = Field(gt=0)


class GoldenFacts(OmitDefaults):
    """The rows in ``golden.npz`` that a server must reproduce within ``tolerance`` (absolute) before it serves.

    ``tolerances`` has those of outputs beside the score, where they differ.
    """

    OMITTED = frozenset({"tolerances"})

    rows: int = Field(ge=1)
    tolerance: float = Field(gt=0)
    tolerances: dict[str, float] = Field(default_factory=dict)


class TrainingFacts(OmitDefaults):
    """Where a version came from.

    ``recipe`` is the recipe as run, with the defaults of its options; ``data`` says where the table was read from and
    ``data_sha256`` identifies it; ``rows`` were learned from, ``validation_rows`` were not. ``profiles`` has the
    digest of each profile feature that the table had, by profile.
    """

    OMITTED = frozenset({"data", "validation_rows", "profiles"})

    rows: int = Field(ge=1)
    positives: int | None = Field(default=None, ge=0)
    seconds: float = Field(ge=0)
    data: str = ""
    validation_rows: int | None = Field(default=None, ge=1)
    data_sha256: Digest | None = None
    recipe: dict[str, Any] | None = None
    libraries: dict[str, str] = Field(default_factory=dict)
    profiles: dict[str, dict[str, Digest]] = Field(default_factory=dict)


class Manifest(OmitDefaults):
    """One version of a model. Unknown fields are kept, so that an older Scoreline passes on what a newer one wrote.

    ``tensors`` is set for a graph that was published as it is: it takes and gives raw tensors, ``inputs`` is empty, no
    output is a score, and no route can name it.
    """

    OMITTED = frozenset({"tensors"})

    schema_number: int = Field(default=MANIFEST_SCHEMA, ge=1)
    family: str = Field(min_length=1, max_length=64)
    task: str = Field(default="binary", min_length=1, max_length=64)
    inputs: InputContract
    score: ScoreContract
    metrics: dict[str, float] = Field(default_factory=dict)
    parity: ParityFacts | None = None
    golden: GoldenFacts | None = None
    training: TrainingFacts | None = None
    created_at: Moment
    files: dict[str, FileDigest] = Field(default_factory=dict)
    tensors: TensorContract | None = None

    @model_validator(mode="after")
    def _takes_something(self) -> Self:
        if self.inputs.is_empty and self.tensors is None:
            raise ValueError("a model takes features, a sequence, neighbors or several of them")
        if self.tensors is not None and not self.inputs.is_empty:
            raise ValueError("a model that takes raw tensors has no features, sequence or neighbors")
        return self

    @property
    def trained_profiles(self) -> Mapping[str, Mapping[str, str]]:
        """The digest of each profile feature that it was trained on, by profile and feature."""
        return {} if self.training is None else self.training.profiles
