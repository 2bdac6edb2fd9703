"""Graphs that were made elsewhere: checked as far as a graph can be without its native model, then published."""

from datetime import datetime
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scoreline_registry.contract import InputContract, ScoreContract
from scoreline_registry.documents import problems_of
from scoreline_registry.errors import InvalidError
from scoreline_registry.manifest import CARD_FILE, GOLDEN_FILE, MODEL_FILE, Manifest
from scoreline_trainers.card import model_card
from scoreline_trainers.gate import Proof, prove
from scoreline_trainers.probes import from_contract


class ManifestSpec(BaseModel):
    """What a person says about a graph; the rest of a manifest is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str = Field(default="onnx", min_length=1, max_length=64)
    task: str = Field(default="binary", min_length=1, max_length=64)
    inputs: InputContract
    score: ScoreContract
    metrics: dict[str, float] = {}

    @classmethod
    def load(cls, path: Path) -> "ManifestSpec":
        """Reads a YAML or JSON file. Raises InvalidError with everything that is wrong."""
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise InvalidError(str(path), [error.strerror or "it cannot be read"]) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InvalidError(path.name, [f"it is not YAML: {' '.join(str(error).split())}"]) from error
        except ValidationError as error:
            raise InvalidError(path.name, problems_of(error)) from error


def foreign_version(
    model: str, graph: bytes, spec: ManifestSpec, *, created_at: datetime
) -> tuple[Manifest, dict[str, bytes], Proof]:
    """A graph as a version: its manifest, its files without the manifest, and what the gate found.

    Raises:
        GateError: the graph is no valid model, has another signature, or answers the same rows differently in other
            batches or behind other padding. Parity is not checked: there is nothing to hold the graph against.
    """
    samples = from_contract(spec.inputs)
    proof = prove(graph, subject=f"version of {model}", inputs=spec.inputs, score=spec.score, samples=samples)
    manifest = Manifest(**dict(spec), golden=proof.golden_facts, created_at=created_at)
    card = model_card(model, manifest, described={})
    return manifest, {MODEL_FILE: graph, GOLDEN_FILE: proof.golden, CARD_FILE: card.encode()}, proof
