"""Privacy of the journal: sensitive features are left out, or written as keyed hashes."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scoreline_server.errors import StartError
from scoreline_server.scoring.arrays import Float32, Indices, Int32
from scoreline_server.scoring.compiled_route import CompiledRoute

HASH_BYTES = 16
_LEAST_KEY_BYTES = 16
_MISSING = bytes(HASH_BYTES)


class Hasher:
    """HMAC-SHA256 of a feature's name and value, cut to 16 bytes: equal values of one feature stay equal.

    The message is the name in UTF-8, NUL, then a number's float32 bytes, little-endian, or a category's UTF-8.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.fingerprint = self._hash(b"scoreline journal key")[:4].hex()
        """Identifies the key without revealing it."""

    def numbers(self, name: str, column: Float32) -> bytes:
        """The hashes of a number column [N], NaN as missing."""
        # Adding 0 makes -0 equal to 0.
        values = (column + np.float32(0)).astype("<f4").tobytes()
        missing = np.isnan(column).tolist()
        start = name.encode() + b"\0"
        return b"".join(
            _MISSING if gone else self._hash(start + values[4 * row : 4 * row + 4]) for row, gone in enumerate(missing)
        )

    def categories(self, name: str, column: Int32, dictionary: Sequence[str]) -> bytes:
        """The hashes of a category column [N], -1 as missing."""
        start = name.encode() + b"\0"
        known = {code: self._hash(start + dictionary[code].encode()) for code in set(column.tolist()) if code >= 0}
        return b"".join([known.get(code, _MISSING) for code in column.tolist()])

    def _hash(self, message: bytes) -> bytes:
        return hmac.digest(self._key, message, "sha256")[:HASH_BYTES]


def read_hasher(path: Path | None) -> Hasher | None:
    """The hasher whose key is a file's bytes; None without a file. Raises StartError where it cannot be one."""
    if path is None:
        return None
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise StartError(f"journal_hmac_key_file: {error}") from error
    if len(key) < _LEAST_KEY_BYTES:
        raise StartError(f"journal_hmac_key_file: {path} holds {len(key)} bytes; a key has at least {_LEAST_KEY_BYTES}")
    return Hasher(key)


@dataclass(frozen=True, slots=True)
class Shown:
    """The columns of a route's layout that are written as they came, and the sensitive ones, by name."""

    numbers: Indices
    categories: Indices
    ragged: tuple[Indices, ...]
    sensitive: tuple[str, ...]

    @classmethod
    def of(cls, route: CompiledRoute) -> "Shown":
        """A feature is sensitive where at least one model behind the route says so, and in ragged inputs too."""
        sensitive = {
            feature.name for model in route.models for feature in model.manifest.inputs.features if feature.sensitive
        }
        layout = route.layout

        def shown(columns: Mapping[str, int]) -> Indices:
            return np.array([column for name, column in columns.items() if name not in sensitive], np.intp)

        return cls(
            shown(layout.numbers),
            shown(layout.categories),
            tuple(map(shown, layout.items)),
            tuple(name for name in layout.features if name in sensitive),
        )
