"""Which inputs of a version are named as reasons, in which order, and what is said of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.manifest import Manifest
from scoreline_server.scoring.arrays import Indices
from scoreline_server.scoring.reasons.codes import ReasonCode, RowReasons
from scoreline_server.scoring.reasons.contributions import Float64, Found
from scoreline_server.scoring.reasons.players import Inputs, Player, players_of
from scoreline_server.scoring.reasons.sentences import sentence

# Contributions that differ by less are equal, so that the noise of float64 does not order them.
_DIGITS = 9


@dataclass(frozen=True, slots=True, eq=False)
class Naming:
    """How the contributions to a version's scores are named.

    Attributes:
        players: its inputs.
        open: bool [players], which are not sensitive.
        sign: 1 or -1 where only inputs that raise the score are named, or only those that lower it; 0 for both.
    """

    players: Sequence[Player]
    open: npt.NDArray[np.bool_]
    sign: int

    @classmethod
    def of(cls, manifest: Manifest, sensitive: Collection[str]) -> "Naming":
        """That of a version behind a route, some of whose inputs are sensitive by any version behind it."""
        players = players_of(manifest.inputs)
        sign = {None: 0, "raises": 1, "lowers": -1}[manifest.score.adverse]
        return cls(players, np.array([player.name not in sensitive for player in players], np.bool_), sign)

    def reasons(self, found: Found, at: int, inputs: Inputs, *, count: int, language: str) -> RowReasons | None:
        """The reasons of one row of N with its inputs; None where its contributions are no numbers."""
        values = found.values[at]
        if not np.isfinite(values).all():
            return None
        named = self.open & (np.sign(values) == self.sign) if self.sign else self.open
        places = leading(values, count, named).tolist()
        codes = tuple(self._code(found, at, place, inputs, language) for place in places)
        rest = float(values.sum()) - sum(code.contribution for code in codes)
        error = float(found.errors[at].max(initial=0.0))
        return RowReasons(codes, float(found.base[at]), float(found.margins[at]), rest, error)

    def _code(self, found: Found, at: int, place: int, inputs: Inputs, language: str) -> ReasonCode:
        player, contribution = self.players[place], float(found.values[at, place])
        value = player.value(inputs, at)
        said = sentence(player, value, raises=contribution > 0, language=language)
        return ReasonCode(player.name, value, contribution, float(found.errors[at, place]), *said)


def leading(values: Float64, count: int, named: npt.NDArray[np.bool_]) -> Indices:
    """The places of the largest contributions, whichever their sign; equal ones in the order of the contract."""
    sizes = np.round(np.abs(values), _DIGITS)
    places = np.flatnonzero(named & (sizes > 0))
    return places[np.argsort(-sizes[places], kind="stable")][:count]
