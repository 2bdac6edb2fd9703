"""ONNX Runtime on graphs that were not made here: whatever it raises is a reason to refuse the graph."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.publishing.refusal import UnfitError


def opened(model: bytes) -> OnnxScorer:
    """A session. Raises UnfitError."""
    try:
        return OnnxScorer(model)
    except Exception as error:
        raise UnfitError([f"ONNX Runtime cannot open it: {_first_line(error)}"]) from error


def fetched(scorer: OnnxScorer, outputs: Sequence[str], feeds: Mapping[str, npt.NDArray[Any]]) -> Sequence[Any]:
    """Some outputs. Raises UnfitError."""
    try:
        return scorer.fetch(outputs, feeds)
    except Exception as error:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in feeds.items())
        raise UnfitError([f"it fails on {shapes or 'no inputs'}: {_first_line(error)}"]) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
