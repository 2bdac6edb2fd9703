"""The profiles that come with this package."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

_FOLDER = files("scoreline_registry.profiles") / "examples"
_ENDING = ".yaml"


def packaged_profiles() -> Mapping[str, Traversable]:
    """The YAML files of the packaged profiles, by the name of the profile."""
    found = (entry for entry in _FOLDER.iterdir() if entry.name.endswith(_ENDING))
    return {entry.name.removesuffix(_ENDING): entry for entry in sorted(found, key=lambda entry: entry.name)}
