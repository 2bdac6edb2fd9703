"""Forgets in the stores of limits what is counted of a unit."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from scoreline_server.databases.store_url import AUTO
from scoreline_server.limit_stores.opening import open_limits


def forget_limits(url: str, folders: Sequence[Path], unit: str) -> bool:
    """Removes what limits count of a unit, in the store of a url; ``auto`` is the file of each folder.

    Whether there was anything. A store that is off has nothing. Raises LimitStoreError.
    """
    places: Sequence[Path | None] = folders if url == AUTO else [None]
    stores = [store for folder in places if (store := open_limits(url, folder)) is not None]
    found = False
    for store in stores:
        with closing(store):
            found = store.forget(unit) or found
    return found
