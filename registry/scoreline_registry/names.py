"""Names of models, routes, aliases and features, and references such as ``credit@champion`` or ``credit@7``.

One rule for everything that becomes a folder, a file or a key: lower-case ASCII letters, digits and ``-_.``, starting
with a letter, at most 64 characters. No such name can leave its folder, clash by case or look like another one.
Feature, category and context names never become paths and only have to be printable.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from scoreline_registry.errors import InvalidNameError

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*", re.ASCII)
_NAME_RULE = "use 1 to 64 lower-case letters, digits and single '-', '_' or '.' between them, starting with a letter"
_FEATURE_RULE = "use 1 to 200 printable characters without leading or trailing spaces"


def check_name(kind: str, name: str) -> str:
    """Returns ``name`` when it may name a ``kind`` (model, route, alias); raises InvalidNameError otherwise."""
    if not isinstance(name, str) or len(name) > 64 or not _NAME.fullmatch(name):
        raise InvalidNameError(kind, str(name), _NAME_RULE)
    return name


def check_feature_name(name: str) -> str:
    """Returns ``name`` when it may name a feature, category or context key; raises InvalidNameError otherwise."""
    if not isinstance(name, str) or not 1 <= len(name) <= 200 or not name.isprintable() or name != name.strip():
        raise InvalidNameError("feature", str(name), _FEATURE_RULE)
    return name


def hint(name: str, known: Iterable[str], kind: str) -> str:
    """What to write instead of an unknown name: the nearest known one, or the first of all; ``kind`` names them."""
    names = sorted(known)
    if not names:
        return f"there is no {kind} yet"
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are {', '.join(names[:8])}{', …' if len(names) > 8 else ''}"


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model with a version number or an alias: exactly one of the two is set."""

    model: str
    version: int | None = None
    alias: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ModelRef":
        """Reads ``model@7`` or ``model@champion``. Raises InvalidNameError."""
        model, at, target = text.partition("@")
        check_name("model", model)
        if not at or not target:
            rule = f"write model@version or model@alias, such as {model}@champion or {model}@1"
            raise InvalidNameError("model reference", text, rule)
        if re.fullmatch(r"[0-9]+", target, re.ASCII):
            if len(target) > 9 or target.startswith("0"):
                raise InvalidNameError("model reference", text, "versions count from 1")
            return cls(model, version=int(target))
        return cls(model, alias=check_name("alias", target))

    def __str__(self) -> str:
        return f"{self.model}@{self.alias if self.version is None else self.version}"
