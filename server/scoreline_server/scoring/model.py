"""One version of a model, loaded and ready to score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.manifest import Manifest

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A version with its ONNX Runtime session; safe to use from several threads."""

    name: str
    version: int
    digest: str
    manifest: Manifest
    session: Any = field(repr=False)
    row_microseconds: float = 0.0
    memory_bytes: int = 0

    @property
    def key(self) -> tuple[str, int]:
        """The model's name and version."""
        return self.name, self.version

    def run(self, inputs: Mapping[str, npt.NDArray[Any]], extras: Sequence[str] = ()) -> list[npt.NDArray[Any]]:
        """Runs the graph on N rows.

        Args:
            inputs: ``features`` float32 [N, F] and, for models with a sequence, ``sequence`` float32 [N, T, S] and
                ``lengths`` int64 [N], for those with neighbours ``neighbors`` float32 [N, K, G] and ``neighbor_mask``
                bool [N, K].
            extras: names of extra outputs.

        Returns:
            ``score`` float32 [N], then each extra with first axis N.
        """
        outputs: list[npt.NDArray[Any]] = self.session.run(["score", *extras], inputs)
        return outputs


def padded(steps: Float32, starts: npt.NDArray[np.intp], lengths: Int32) -> Float32:
    """Gathers ragged histories, or neighbours, into one block.

    Args:
        steps: float32 [total, S], the steps of all rows one after another.
        starts: [N], where each row's steps begin.
        lengths: [N], how many steps each row has.

    Returns:
        float32 [N, max(1, max(lengths)), S]; zero after each row's end.
    """
    within = np.arange(max(int(lengths.max()), 1))
    real = within[None, :] < lengths[:, None]
    block = np.zeros((len(lengths), len(within), steps.shape[1]), np.float32)
    block[real] = steps[(starts[:, None] + within[None, :])[real]]
    return block
