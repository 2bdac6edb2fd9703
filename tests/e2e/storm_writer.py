"""A writer that changes one registry until it is killed: ``python -m tests.e2e.storm_writer FOLDER NAME``.

Prints, once it is committed, the message of each change, or the version that it published as ``linear@7``.
"""

import random
import sys
from itertools import count
from pathlib import Path

from scoreline_registry.errors import ClaimLostError, ConflictError, NotFoundError, RefusedError
from scoreline_registry.history.changes import SetAlias, SetLabels
from scoreline_registry.history.retirement import Retire
from scoreline_registry.registry import Registry
from tests.server.toys import publish_linear

MODELS = ("linear", "other", "third")


def main(folder: Path, name: str) -> None:
    """Makes random changes for ever; one that the state refuses is left out."""
    chance, registry = random.Random(name), Registry.open(folder)
    for number in count():
        try:
            committed = _change(registry, chance, f"{name} {number}")
        except (RefusedError, NotFoundError, ConflictError, ClaimLostError):
            continue
        if committed:
            print(committed, flush=True)


def _change(registry: Registry, chance: random.Random, message: str) -> str | None:
    """Makes one change, and says what was committed; None for a change that changed nothing."""
    model = chance.choice(MODELS)
    version = chance.choice(registry.latest().state.models.require(model).in_use)
    match chance.choice(["publish", "publish", "alias", "label", "retire"]):
        case "publish":
            aliases = chance.choice([("champion",), ("challenger",), ()])
            return f"{model}@{publish_linear(registry, model, aliases=aliases)}"
        case "alias":
            written = registry.commit(SetAlias(model, "champion", version), author="storm", message=message).written
        case "label":
            labels = {"by": message.replace(" ", "-")}
            written = registry.commit(SetLabels(model, labels), author="storm", message=message).written
        case _:
            written = registry.commit(Retire(model, version), author="storm", message=message).written
    return message if written else None


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
