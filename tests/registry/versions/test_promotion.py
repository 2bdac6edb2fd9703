import pytest

from scoreline_registry.documents.contract import Feature
from scoreline_registry.errors import CorruptError, RefusedError
from scoreline_registry.history.retirement import Retire
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from scoreline_registry.upkeep.verification import verify
from scoreline_registry.versions.promotion import promote
from tests.registry.samples import MODEL_BYTES, apply, publish, spec


@pytest.fixture
def target() -> Registry:
    return Registry.create(MemoryStorage())


def test_a_version_is_copied_byte_by_byte_and_says_where_it_came_from(registry: Registry, target: Registry) -> None:
    publish(registry, aliases=["champion"], data=b"other")
    publish(registry, aliases=["champion"])
    publish(target, "credit", data=b"something else")
    done = promote(registry, "credit@champion", target, aliases=["staging"], author="ann", message="to prod")
    assert (done.model, done.version, done.copied, done.revision) == ("credit", 2, True, 2)
    copied, original = target.latest().models["credit"].entry(2), registry.latest().models["credit"].entry(2)
    assert copied.files == original.files
    assert copied.source == done.source
    assert (copied.source.registry_id, copied.source.revision, copied.source.version) == (registry.registry_id, 2, 2)
    assert target.latest().resolve("credit@staging") == ("credit", 2)
    assert target.read_file("credit", 2, "model.onnx") == MODEL_BYTES
    assert not verify(target.storage).findings


def test_the_same_files_are_not_copied_again(registry: Registry, target: Registry) -> None:
    publish(registry)
    promote(registry, "credit@1", target, author="ann", message="")
    again = promote(registry, "credit@1", target, author="ann", message="")
    assert (again.version, again.copied, target.latest().revision) == (1, False, 1)
    pointed = promote(registry, "credit@1", target, aliases=["champion"], author="ann", message="")
    assert (pointed.version, pointed.copied, pointed.revision) == (1, False, 2)
    assert target.latest().models["credit"].aliases == {"champion": 1}


def test_a_dry_run_reads_everything_and_writes_nothing(registry: Registry, target: Registry) -> None:
    publish(registry)
    planned = promote(registry, "credit@1", target, author="ann", message="", dry_run=True)
    assert (planned.version, planned.copied) == (None, False)
    assert [file.key for file in target.storage.list("")] == ["registry.json"]


def test_a_damaged_file_is_not_copied(memory: MemoryStorage, registry: Registry, target: Registry) -> None:
    publish(registry)
    memory.delete("models/credit/1/golden.npz")
    memory.put_if_absent("models/credit/1/golden.npz", b"rotten")
    with pytest.raises(CorruptError, match=r"golden\.npz"):
        promote(registry, "credit@1", target, author="ann", message="")
    assert target.latest().revision == 0


def test_a_copy_that_the_target_does_not_give_back_is_not_committed(registry: Registry) -> None:
    class Forgetful(MemoryStorage):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            return super().put_if_absent(key, b"other" if key.endswith("model.onnx") else data)

    target = Registry.create(Forgetful())
    publish(registry)
    with pytest.raises(CorruptError, match=r"model\.onnx"):
        promote(registry, "credit@1", target, author="ann", message="")
    assert target.latest().revision == 0


def test_what_cannot_be_promoted_is_refused(registry: Registry, target: Registry) -> None:
    publish(registry)
    with pytest.raises(RefusedError, match="the same registry"):
        promote(registry, "credit@1", registry, author="ann", message="")
    registry.commit(Retire("credit", 1), author="ann", message="")
    with pytest.raises(RefusedError, match="ann retired it"):
        promote(registry, "credit@1", target, author="ann", message="")


def test_the_targets_routes_are_checked(registry: Registry, target: Registry) -> None:
    publish(target, aliases=["champion"])
    apply(target, spec())
    publish(registry, "credit", Feature(name="age", required=True))
    with pytest.raises(RefusedError, match="requires the number 'age'"):
        promote(registry, "credit@1", target, aliases=["champion"], author="ann", message="")
