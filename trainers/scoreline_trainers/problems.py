"""What is wrong with something that a person wrote, said in their words."""

import difflib
from collections.abc import Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Each mistake as "where: what", with the nearest key for one that is unknown."""
    found = [detail for detail in error.errors() if not _is_other_branch(detail["loc"])] or error.errors()
    # A list whose items are all mistaken is called too short, too.
    found = [detail for detail in found if detail["type"] != "too_short" or not _has_more_inside(detail["loc"], found)]
    return [_problem(detail["type"], detail["loc"], detail["msg"], model) for detail in found]


def _problem(kind: str, location: tuple[int | str, ...], message: str, model: type[BaseModel]) -> str:
    path = [str(part) for part in location if not _is_branch(part)]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], model.model_fields, n=1)
        message = f"unknown key; did you mean {near[0]!r}?" if near else "unknown key"
    elif kind == "missing":
        message = "is missing"
    message = message.removeprefix("Value error, ")
    return f"{'.'.join(path)}: {message}" if path else message


def _has_more_inside(location: tuple[int | str, ...], found: Sequence[ErrorDetails]) -> bool:
    return any(detail["loc"][: len(location)] == location != detail["loc"] for detail in found)


def _is_branch(part: int | str) -> bool:
    """Pydantic names the branch of a union in the location; a person did not write it."""
    return isinstance(part, str) and (
        part.startswith(("tuple[", "literal[", "function-")) or part in ("Synthetic", "str", "cuts", "quantiles")
    )


def _is_other_branch(location: tuple[int | str, ...]) -> bool:
    return any(isinstance(part, str) and part.startswith("literal[") for part in location)
