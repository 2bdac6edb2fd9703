"""A cache of answers: rows whose inputs a model has scored before are answered without running it.

The key of a row is a digest of the model's file and of the inputs as the model gets them: numbers and codes after
defaults, limits and vocabularies, whatever of them came from the caller and whatever from a profile. Another version of
the model, or a profile that says something else, is another key, so an answer never goes stale.

A graph may sum in another order when it gets more rows at once, which changes the last bits of some families' scores.
Rows that the cache lacks are therefore run one by one: a kept answer is what that row gives alone, whichever rows it
came with. Runs of more than ``MOST_ROWS`` rows, which gain more from being scored together, pass the cache by.
"""

import hashlib
import json
import platform
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from scoreline_registry.routing.answer_cache import AnswerCache
from scoreline_server.scoring.arrays import Indices
from scoreline_server.scoring.binding import Binding, Bound
from scoreline_server.scoring.model import LoadedModel
from scoreline_server.scoring.model_run import DirectRun, ModelRun, Outputs
from scoreline_server.scoring.rows import RowBlock

MOST_ROWS = 32
"""The largest run whose rows are looked up."""

_FORMAT = 1


class AnswerStore(Protocol):
    """Keeps answers by their key, for some time and as far as there is room. Safe for threads; never raises."""

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The answer of each key, None where there is none."""

    def put(self, answers: Mapping[bytes, bytes], *, keep_seconds: int) -> None:
        """Keeps answers by their keys."""


class CountAnswers(Protocol):
    """Counts rows that were looked up in a cache of answers."""

    def looked_up(self, route: str, model: LoadedModel, *, hits: int, misses: int) -> None:
        """Counts the rows of one run that were found and those that were not."""


class AnswerCaching:
    """Gives the arms of routes with a section ``cache`` a run that looks into a store first."""

    def __init__(self, store: AnswerStore, *, counting: CountAnswers, waits: bool = False) -> None:
        """``waits`` says whether the store may wait for the network."""
        self._store, self._counting, self._waits = store, counting, waits

    def run(self, route: str, section: AnswerCache | None, model: LoadedModel, binding: Binding) -> ModelRun:
        """The run of one arm; a direct one without a section, and for a model that is faster than it says."""
        if section is None or model.row_microseconds < section.from_microseconds:
            return DirectRun(model, binding)

        def count(hits: int, misses: int) -> None:
            self._counting.looked_up(route, model, hits=hits, misses=misses)

        return CachedRun(model, binding, self._store, keep_seconds=section.keep_seconds, count=count, waits=self._waits)


class CachedRun:
    """The run of one arm through a store of answers. Is a ``ModelRun``."""

    def __init__(
        self,
        model: LoadedModel,
        binding: Binding,
        store: AnswerStore,
        *,
        keep_seconds: int,
        count: Callable[[int, int], None],
        waits: bool = False,
    ) -> None:
        self.waits = waits
        self._model, self._binding, self._store = model, binding, store
        self._direct = DirectRun(model, binding)
        self._keep_seconds, self._count = keep_seconds, count
        self._prefixes: dict[tuple[str, ...], bytes] = {}

    def __call__(self, block: RowBlock, bound: Bound, extras: Sequence[str]) -> Outputs:
        """Scores rows; those whose answer is kept without the model."""
        if not 0 < len(bound.rows) <= MOST_ROWS:
            return self._direct(block, bound, extras)
        prefix = self._prefix(tuple(extras))
        keys = [hashlib.blake2b(prefix + row, digest_size=32).digest() for row in self._binding.row_bytes(block, bound)]
        answers = self._kept(keys, len(extras))
        hits = sum(key in answers for key in keys)
        fresh: dict[bytes, bytes] = {}
        for at, key in enumerate(keys):
            if key not in answers:
                answers[key] = self._alone(block, bound, at, extras)
                fresh[key] = encoded(answers[key])
        if fresh:
            self._store.put(fresh, keep_seconds=self._keep_seconds)
        self._count(hits, len(keys) - hits)
        return _joined(bound.rows, [answers[key] for key in keys])

    def _kept(self, keys: Sequence[bytes], extras: int) -> dict[bytes, list[npt.NDArray[Any]]]:
        """The outputs of the keys that the store has."""
        found = zip(keys, self._store.get(keys), strict=True)
        read = ((key, decoded(answer, extras)) for key, answer in found if answer is not None)
        return {key: outputs for key, outputs in read if outputs is not None}

    def _alone(self, block: RowBlock, bound: Bound, at: int, extras: Sequence[str]) -> list[npt.NDArray[Any]]:
        """The outputs of one row by itself."""
        one = Bound(bound.rows[at : at + 1], bound.features[at : at + 1], None, {})
        ((_, outputs),) = self._direct(block, one, extras)
        return outputs

    def _prefix(self, extras: tuple[str, ...]) -> bytes:
        """What the keys of all rows have in common: all that decides a row's answer but the row."""
        prefix = self._prefixes.get(extras)
        if prefix is None:
            facts = [_FORMAT, self._model.digest, ort.__version__, _cpu(), *extras]
            prefix = self._prefixes[extras] = hashlib.sha256(json.dumps(facts).encode()).digest()
        return prefix


def _joined(rows: Indices, answers: Sequence[list[npt.NDArray[Any]]]) -> Outputs:
    """The outputs of rows as one run where they have equal shapes; else row by row."""
    shapes = {tuple(output.shape for output in answer) for answer in answers}
    if len(shapes) == 1:
        return [(rows, [np.concatenate(outputs) for outputs in zip(*answers, strict=True)])]
    return [(rows[at : at + 1], answer) for at, answer in enumerate(answers)]


@cache
def _cpu() -> str:
    """The instructions that the processor has: ONNX Runtime sums in another order where it has others."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return f"{platform.machine()} {flags}"


def encoded(outputs: Sequence[npt.NDArray[Any]]) -> bytes:
    """The outputs of one row: its score, and each extra as its number of axes, its shape and its float32 values."""
    score, *extras = (np.ascontiguousarray(output, "<f4") for output in outputs)
    shaped = (struct.pack(f"<B{extra.ndim}I", extra.ndim, *extra.shape) + extra.tobytes() for extra in extras)
    return score.tobytes() + b"".join(shaped)


def decoded(answer: bytes, extras: int) -> list[npt.NDArray[Any]] | None:
    """The outputs of one row; None for bytes that are no answer with so many extras."""
    try:
        outputs, start = [np.frombuffer(answer, "<f4", 1)], 4
        for _ in range(extras):
            (axes,) = struct.unpack_from("<B", answer, start)
            shape = struct.unpack_from(f"<{axes}I", answer, start + 1)
            start += 1 + 4 * axes
            count = int(np.prod(shape, dtype=np.int64))
            outputs.append(np.frombuffer(answer, "<f4", count, start).reshape(shape))
            start += 4 * count
    except (struct.error, ValueError):
        return None
    return outputs if start == len(answer) else None
