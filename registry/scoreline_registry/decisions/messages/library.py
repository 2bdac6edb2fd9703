"""Whether the libraries that read and write messages are installed."""

from importlib.util import find_spec

from scoreline_registry.errors import MissingExtraError

LIBRARIES = ("babel", "jinja2")


def require_library() -> None:
    """Raises MissingExtraError where a library is not installed."""
    if any(find_spec(library) is None for library in LIBRARIES):
        raise MissingExtraError("messages of policies", "messages")
