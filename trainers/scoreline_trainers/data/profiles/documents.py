"""The profiles that a recipe names: read from a file, the registry, the packaged ones, or the recipe itself."""

import json
from collections.abc import Callable
from pathlib import Path

from scoreline_registry.errors import InvalidError
from scoreline_registry.profiles.packaged import packaged_profiles
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_trainers.data.profiles.spec import ProfileSource
from scoreline_trainers.data.sources.files import expanded
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import nearest_or_all

_FILES = (".yaml", ".yml")


def find_profile(source: ProfileSource, *, folder: Path, registered: Callable[[str], Profile] | None = None) -> Profile:
    """The profile of a source.

    Args:
        source: of a recipe.
        folder: that a file is relative to.
        registered: reads a profile of the registry by its name.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    reference, name = source.profile, source.in_registry
    if name is not None:
        if registered is None:
            raise DataError("", f"profile {name!r} is of the registry, and no registry is read here")
        return registered(name)
    try:
        if isinstance(reference, dict):
            return read_profile(json.dumps(reference), source="profile of the recipe")
        return read_profile(_text(reference, folder), source=reference)
    except InvalidError as error:
        raise DataError("", str(error)) from error


def _text(reference: str, folder: Path) -> str:
    """The YAML of a file or of a packaged profile."""
    packaged = packaged_profiles()
    if not reference.endswith(_FILES) and reference not in packaged:
        hint = nearest_or_all(reference, packaged)
        raise DataError(
            "", f"unknown profile {reference!r}: write a .yaml file, {{registry: NAME}} or a packaged name; {hint}"
        )
    try:
        found = folder / expanded(reference) if reference.endswith(_FILES) else packaged[reference]
        return found.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("", f"profile {reference} cannot be read: {error}") from error
