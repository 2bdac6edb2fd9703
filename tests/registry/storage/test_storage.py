"""The built-in stores keep the contract that ships for those of other packages; conftest's ``storage`` gives each."""

from collections.abc import Callable

import pytest

from scoreline_registry.storage import MemoryStorage
from scoreline_registry.testing import StorageContract, check_storage


class TestStorage(StorageContract):
    """Runs once for each kind of store."""


class Overwriting(MemoryStorage):
    def put_if_absent(self, key: str, data: bytes) -> bool:
        self.delete(key)
        return super().put_if_absent(key, data)


class Unchecked(MemoryStorage):
    def delete(self, key: str) -> None:
        if key in self._files:
            super().delete(key)


def test_the_contract_runs_without_a_test_runner() -> None:
    check_storage(MemoryStorage)


@pytest.mark.parametrize(("broken", "seen"), [(Overwriting, None), (Unchecked, "no InvalidNameError was raised")])
def test_the_contract_sees_a_store_that_breaks_it(broken: Callable[[], MemoryStorage], seen: str | None) -> None:
    with pytest.raises(AssertionError, match=seen):
        check_storage(broken)
