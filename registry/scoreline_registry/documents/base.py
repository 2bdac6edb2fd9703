"""The base classes of stored values, and the check for duplicate names that they share."""

from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class FrozenModel(BaseModel):
    """The base of every stored value: frozen, and fields that a newer Scoreline wrote are kept.

    Validators are built when a class is first used, so that an import does not pay for those that nothing uses.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False, defer_build=True)


class OmitDefaults(FrozenModel):
    """A value whose ``OMITTED`` fields are left out of its JSON while they are empty.

    Fields that were added after the first release are listed there, so that documents without them keep their bytes.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_empty(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if value or name not in self.OMITTED}


def refuse_duplicates(what: str, names: Iterable[str]) -> None:
    """Raises ValueError for the first name that occurs twice; ``what`` is the kind of name, such as "feature"."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"duplicate {what} {name!r}")
        seen.add(name)
