"""Pages of a sorted list, by opaque tokens that survive insertions."""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Sequence
from typing import TypeVar

from scoreline_server.errors import CallError, ErrorReason

DEFAULT_PAGE = 100
MAX_PAGE = 1000

_T = TypeVar("_T", str, int)


def page(keys: Sequence[_T], size: int, after: _T | None) -> tuple[Sequence[_T], bool]:
    """The ``size`` keys (0 for the default) that follow ``after`` in ascending ``keys``, and whether more follow.

    Raises CallError for a size that no page has.
    """
    if not 0 <= size <= MAX_PAGE:
        raise CallError(ErrorReason.INVALID, f"page_size is 1 to {MAX_PAGE}, or 0 for {DEFAULT_PAGE}; got {size}")
    start = 0 if after is None else bisect_right(keys, after)
    stop = start + (size or DEFAULT_PAGE)
    return keys[start:stop], stop < len(keys)


def token_of(key: str | int) -> str:
    """The token of the page that follows a key."""
    return base64.urlsafe_b64encode(str(key).encode()).decode()


def key_of(token: str) -> str | None:
    """The key that a token follows, None for the first page. Raises CallError."""
    if not token:
        return None
    try:
        return base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _bad_token() from error


def number_of(token: str) -> int | None:
    """The same for lists of numbers."""
    key = key_of(token)
    try:
        return None if key is None else int(key)
    except ValueError as error:
        raise _bad_token() from error


def _bad_token() -> CallError:
    return CallError(ErrorReason.INVALID, "page_token is not one that this method gave out: start with an empty one")
