"""What a store of profiles is called in its failures."""

from scoreline_server.databases.store_kind import StoreKind
from scoreline_server.errors import ProfileStoreError

PROFILES = StoreKind("profile_store", "profiles", "send the same events again", ProfileStoreError)
