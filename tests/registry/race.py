"""One of several processes that change one registry at once, over a sound store or one that cannot be trusted.

Run as a program: ``python -m tests.registry.race FOLDER NAME COMMITS [--faulty]``; prints a JSON object for every
change: its message, and whether it is done, refused, or unknown because the store failed.
"""

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from scoreline_registry.errors import ClaimLostError, ConflictError, NotFoundError, RefusedError, StorageError
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.history.retirement import Retire
from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage, StoredFile
from tests.registry.samples import MODEL_BYTES, manifest, spec

MODELS = ("credit", "churn")


class FaultyStorage(LocalStorage):
    """Writes that are late, that fail, and that happen and are then reported as failed or as taken; late reads."""

    def __init__(self, root: Path, seed: str) -> None:
        super().__init__(root)
        self._random = random.Random(seed)

    def read(self, key: str) -> bytes:
        self._wait()
        return super().read(key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._wait()
        fault = self._random.random()
        if fault < 0.02:
            raise StorageError(key, "refused to write")
        written = super().put_if_absent(key, data)
        if fault < 0.06:
            raise StorageError(key, "timed out")
        return written and fault > 0.1

    def list(self, prefix: str, *, after: str = "") -> Iterator[StoredFile]:
        self._wait()
        return super().list(prefix, after=after)

    def _wait(self) -> None:
        if self._random.random() < 0.2:
            time.sleep(self._random.random() / 200)


def main(folder: Path, name: str, commits: int, *, faulty: bool) -> None:
    """Changes the registry until ``commits`` changes of this process are in it."""
    chance = random.Random(name)
    registry = _opened(lambda: Registry.open(FaultyStorage(folder, name) if faulty else LocalStorage(folder)))
    done = attempt = 0
    while done < commits:
        attempt += 1
        message = f"{name} {attempt}"
        result = _result(partial(_change, registry, chance, name, message))
        done += result == "done"
        print(json.dumps({"message": message, "result": result}), flush=True)


def _opened(open_registry: Callable[[], Registry]) -> Registry:
    while True:
        try:
            return open_registry()
        except StorageError:
            continue


def _result(change: Callable[[], bool]) -> str:
    try:
        return "done" if change() else "no change"
    except (RefusedError, NotFoundError):
        return "refused"
    except ClaimLostError:
        return "claim lost"
    except ConflictError:
        return "conflict"
    except StorageError:
        return "unknown"


def _change(registry: Registry, chance: random.Random, name: str, message: str) -> bool:
    """One random change; whether it made a revision."""
    model = chance.choice(MODELS)
    verb = chance.choice(["publish", "publish", "alias", "alias", "alias", "route", "retire"])
    if verb == "publish":
        files = {"model.onnx": MODEL_BYTES + message.encode(), "golden.npz": b"golden"}
        registry.publish(model, files=files, manifest=manifest(), author=name, message=message)
        return True
    version = chance.choice(registry.latest().state.models.require(model).numbers)
    if verb == "alias":
        alias = chance.choice(["champion", "challenger", "stable"])
        return registry.commit(SetAlias(model, alias, version), author=name, message=message).written
    if verb == "route":
        weight = chance.randrange(1, 100)
        written = spec({f"{model}@champion": 100 - weight, f"{model}@{version}": weight}, route=f"{model}-{name}")
        return registry.apply_route(written, author=name, message=message).changes_anything
    return registry.commit(Retire(model, version), author=name, message=message).written


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), faulty="--faulty" in sys.argv)
