"""Contract suites for plug-ins: hold a storage backend of your own against the tests of the built-in ones."""

from scoreline_registry.testing.storage_contract import StorageContract, check_storage

__all__ = ["StorageContract", "check_storage"]
