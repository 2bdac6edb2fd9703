"""Runs external graphs with ONNX Runtime; whatever it raises is a reason to refuse the graph."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from scoreline_registry.errors import first_line
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.publishing.refusal import UnfitError


def opened(model: bytes) -> OnnxScorer:
    """Opens a session. Raises UnfitError."""
    try:
        return OnnxScorer(model)
    except Exception as error:
        raise UnfitError([f"ONNX Runtime cannot open it: {first_line(error)}"]) from error


def fetched(scorer: OnnxScorer, outputs: Sequence[str], feeds: Mapping[str, npt.NDArray[Any]]) -> Sequence[Any]:
    """Runs a graph and returns the named outputs. Raises UnfitError."""
    try:
        return scorer.fetch(outputs, feeds)
    except Exception as error:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in feeds.items())
        raise UnfitError([f"it fails on {shapes or 'no inputs'}: {first_line(error)}"]) from error
