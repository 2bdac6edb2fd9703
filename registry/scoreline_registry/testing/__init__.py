"""Contract suites for plug-ins: the tests of the built-in storage backends, to run on your own."""

from scoreline_registry.testing.storage_contract import StorageContract, check_storage

__all__ = ["StorageContract", "check_storage"]
