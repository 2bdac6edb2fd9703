"""Random numbers that depend on a policy's salt and a decision's id alone, so that equal cases are decided alike."""

import hashlib

_BYTES = 8
_PER_DIGEST = hashlib.blake2b.MAX_DIGEST_SIZE // _BYTES


class KeyedRandom:
    """Uniform numbers in (0, 1): 52 bits each of BLAKE2b, keyed with the salt, of the decision's id and a block number.

    The salt may have any length: its own digest is the key.
    """

    def __init__(self, salt: str) -> None:
        key = hashlib.blake2b(salt.encode(), person=b"decisions").digest()
        self._keyed = hashlib.blake2b(key=key)

    def numbers(self, decision_id: str, count: int) -> list[float]:
        """``count`` numbers of a decision; the first ones are the same for every count."""
        found: list[float] = []
        for block in range(-(-count // _PER_DIGEST)):
            state = self._keyed.copy()
            state.update(b"%d\x00%s" % (block, decision_id.encode("utf-8", "surrogatepass")))
            digest = state.digest()
            found += [_number(digest[start : start + _BYTES]) for start in range(0, len(digest), _BYTES)]
        return found[:count]


def _number(piece: bytes) -> float:
    """The middle of one of 2**52 equal pieces of [0, 1): never 0, whose logarithm is infinite, and never 1."""
    return ((int.from_bytes(piece, "big") >> 12) + 0.5) * 2.0**-52
