"""One version of a model, loaded and ready to score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy.typing as npt

from scoreline_registry.documents.manifest import Manifest
from scoreline_server.scoring.reasons.contributions import Contributions
from scoreline_server.scoring.reasons.version_reasons import VersionReasons

VersionKey: TypeAlias = tuple[str, int]
"""A model's name and version."""


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
    reasons: VersionReasons = field(default_factory=lambda: VersionReasons("the version", {}), repr=False)

    @property
    def key(self) -> VersionKey:
        """The model's name and version."""
        return self.name, self.version

    @property
    def reason_seconds(self) -> float:
        """The estimated time of one row's reasons."""
        return self.reasons.row_seconds(self.row_microseconds / 1e6)

    def contributions(self) -> Contributions:
        """What computes the contributions to its scores; made on first use. Raises ScoringError where nothing can."""
        session = self.session

        def scores(inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
            # Not by this model, which would keep itself alive through what it keeps.
            found: list[npt.NDArray[Any]] = session.run(["score"], inputs)
            return found[0]

        return self.reasons.contributions(scores)

    def run(self, inputs: Mapping[str, npt.NDArray[Any]], extras: Sequence[str] = ()) -> list[npt.NDArray[Any]]:
        """Runs the graph on N rows.

        Args:
            inputs: ``features`` float32 [N, F] and, for models with a sequence, ``sequence`` float32 [N, T, S] and
                ``lengths`` int64 [N], for those with neighbors ``neighbors`` float32 [N, K, G] and ``neighbor_mask``
                bool [N, K].
            extras: names of extra outputs.

        Returns:
            ``score`` float32 [N], then each extra with first axis N.
        """
        outputs: list[npt.NDArray[Any]] = self.session.run(["score", *extras], inputs)
        return outputs
