"""The policies that come with this package."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

_FOLDER = files("scoreline_registry.decisions") / "examples"
_ENDING = ".yaml"


def packaged_policies() -> Mapping[str, Traversable]:
    """The YAML files of the packaged policies, by the name of the policy."""
    found = (entry for entry in _FOLDER.iterdir() if entry.name.endswith(_ENDING))
    return {entry.name.removesuffix(_ENDING): entry for entry in sorted(found, key=lambda entry: entry.name)}
