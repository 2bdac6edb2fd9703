"""The client of Scoreline: scores for people and accounts, over gRPC.

    import scoreline

    with scoreline.Client("scoring.internal:50051") as client:
        score = client.score("credit", {"income": 4200.0, "status": "employed"}, entity_id="c-17")
        print(score.score, score.model, score.version, score.reason.name)

``AsyncClient`` is the same for asyncio. The names are those of ``scoreline.public``, imported when one of them is first
used, so that the ``scoreline`` command starts without gRPC and numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from scoreline.version import __version__ as __version__

if TYPE_CHECKING:
    from scoreline.public import *  # noqa: F403
else:  # so that type checkers see a name that is not there

    def __getattr__(name):
        if not name.startswith("__") or name == "__all__":
            public = import_module("scoreline.public")
            if name == "__all__":
                return [*public.__all__, "__version__"]
            if name in public.__all__:
                value = globals()[name] = getattr(public, name)
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted(__getattr__("__all__"))
