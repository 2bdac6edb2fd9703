"""64-bit fingerprints of a column of texts, so that millions of units are counted and joined without Python strings."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scoreline_server.journal.format.columns import packed_texts

UInt64 = npt.NDArray[np.uint64]

_WORD = 8
_CONTINUES, _CONTINUATION = 0xC0, 0x80


def text_keys(texts: Sequence[str]) -> UInt64:
    """The fingerprints of some texts: uint64 [len(texts)]."""
    return packed_keys(memoryview(packed_texts(texts)), len(texts))


def packed_keys(data: memoryview, count: int) -> UInt64:
    """The fingerprints of ``count`` texts as ``packed_texts`` wrote them: uint64 [count], 0 for an empty text.

    Equal texts have equal fingerprints in every process. Different ones may share a fingerprint: among 10 million texts
    some two do so with a probability of 3 in a million. It is no cryptographic hash: someone who wants two texts with
    one fingerprint finds them. Raises ValueError where the data is not that many texts.
    """
    text = np.frombuffer(data[4 * count :], np.uint8)
    bounds = _bounds(np.frombuffer(data[: 4 * count], "<u4"), text)
    starts, widths = bounds[:-1], np.diff(bounds)
    words = np.lib.stride_tricks.sliding_window_view(np.append(text, np.zeros(_WORD, np.uint8)), _WORD)
    keys = _mixed(widths.astype(np.uint64))
    for offset in range(0, int(widths.max(initial=0)), _WORD):
        rows = np.flatnonzero(widths > offset)
        word = np.ascontiguousarray(words[starts[rows] + offset]).view("<u8")[:, 0]
        keys[rows] = _mixed(keys[rows] ^ _cut(word, widths[rows] - offset))
    keys[widths == 0] = 0
    return keys


def _bounds(lengths: npt.NDArray[np.uint32], text: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Where each text begins in the bytes, and the end of the last; lengths are in code points."""
    ends = np.cumsum(lengths, dtype=np.int64)
    points = np.append(np.flatnonzero((text & _CONTINUES) != _CONTINUATION), len(text))
    if len(points) - 1 != (ends[-1] if len(ends) else 0):
        raise ValueError(f"these are not {len(lengths)} texts")
    return np.asarray(points[np.concatenate(([0], ends))], np.int64)


def _cut(words: UInt64, widths: npt.NDArray[np.int64]) -> UInt64:
    """Words of 8 bytes without the bytes that belong to the next text."""
    unused = (8 * np.maximum(_WORD - widths, 0)).astype(np.uint64)
    return words << unused >> unused


def _mixed(words: UInt64) -> UInt64:
    """Spreads every bit over the word: the finaliser of SplitMix64 (Steele, Lea, Flood 2014), after its increment."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
