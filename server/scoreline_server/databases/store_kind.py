"""What a kind of store is called in its failures, and the class of its errors."""

from collections.abc import Callable
from dataclasses import dataclass

from scoreline_server.errors import StoreError


@dataclass(frozen=True, slots=True)
class StoreKind:
    """A kind of store.

    Attributes:
        setting: that names the store, such as ``profile_store``.
        content: what is kept in it, such as ``profiles``.
        retry: what to do once a cause is removed, such as ``send the same events again``.
        error: makes the error of such a store from its text.
    """

    setting: str
    content: str
    retry: str
    error: Callable[[str], StoreError]
