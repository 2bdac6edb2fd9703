"""What a store of limits is called in its failures."""

from scoreline_server.databases.store_kind import StoreKind
from scoreline_server.errors import LimitStoreError

LIMITS = StoreKind("limit_store", "limits", "ask again", LimitStoreError)
