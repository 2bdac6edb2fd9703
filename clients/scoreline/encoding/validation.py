"""The errors for unknown names and wrong types, with the server's own reasons.

They name the row, the feature and the type of a value, never the value: features are personal data, and errors end in
logs.
"""

import difflib
from collections.abc import Collection
from typing import Any

import numpy as np

from scoreline.errors import InvalidRequestError

_NAMED = 5
"""How many known names an error lists if none is like the unknown one."""


def unknown_name(
    what: str, name: str, known: Collection[str], *, route: str, row: int | None = None
) -> InvalidRequestError:
    """A name that the route's schema does not have; the message names the nearest, or some that it has."""
    return invalid(
        f"route {route!r} has no {what} {name!r}{_hint(str(name), known)}", "UNKNOWN_FEATURE", str(name), row
    )


def unknown_column(name: str, known: Collection[str]) -> InvalidRequestError:
    """An ``entity_ids`` that names no column; the message names the nearest, or some that there are."""
    return invalid(f"entity_ids: there is no column {name!r}{_hint(name, known)}", "WRONG_TYPE", "entity_ids")


def _hint(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    if near:
        return f"; the nearest it has is {near[0]!r}"
    if not known:
        return "; it has none"
    some = ", ".join(map(repr, sorted(known)[:_NAMED]))
    return f"; it has {some}" + (f" and {len(known) - _NAMED} more" if len(known) > _NAMED else "")


def wrong_type(name: str, wanted: str, value: Any, row: int | None = None) -> InvalidRequestError:
    """A value of a type that its feature cannot take."""
    return invalid(f"{name!r} takes {wanted}, not {type(value).__name__}", "WRONG_TYPE", name, row)


def wrong_shape(name: str, wanted: str, found: Any, row: int | None = None) -> InvalidRequestError:
    """An array or list of a wrong shape or dtype."""
    kind = f"{found.dtype} " if isinstance(found, np.ndarray) else ""
    shape = list(found.shape) if isinstance(found, np.ndarray) else [len(found)]
    return invalid(f"{name!r} must be {wanted}, not {kind}{shape}", "WRONG_BLOCK_LENGTH", name, row)


def out_of_range(name: str, row: int) -> InvalidRequestError:
    """A finite number that float32 would turn into infinity."""
    return invalid(f"{name!r} is a number too large for float32", "NOT_FINITE", name, row)


def no_text(name: str, row: int | None = None) -> InvalidRequestError:
    """A text that UTF-8 cannot carry."""
    return invalid(f"{name!r} holds half of a surrogate pair, which is no character", "WRONG_TYPE", name, row)


def unexpected(part: str, route: str, row: int) -> InvalidRequestError:
    """A "sequence" or "neighbors" for a route that takes none."""
    return invalid(f"route {route!r} takes no {part}", f"UNEXPECTED_{part.upper()}", part, row)


def invalid(text: str, reason: str, name: str, row: int | None = None) -> InvalidRequestError:
    """An error about the feature ``name``, and about one row of the call if ``row`` is given."""
    where = "" if row is None else _where(row)
    facts = {"feature": name} | ({} if row is None else {"row": str(row)})
    return InvalidRequestError(where + text, reason=reason, metadata=facts)


def without_row(error: InvalidRequestError) -> InvalidRequestError:
    """The same error without its row, for a call of a single entity."""
    facts = dict(error.metadata)
    row = facts.pop("row", None)
    text = error.message if row is None else error.message.removeprefix(_where(row))
    return InvalidRequestError(text, reason=error.reason, metadata=facts)


def _where(row: int | str) -> str:
    return f"row {row}: "
