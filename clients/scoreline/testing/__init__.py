"""A server for the tests of services: the real scoring code, in this process, on a free port.

Needs the extra ``testing``; the client does not.
"""

try:
    from scoreline.testing.fake_server import FakeServer
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] == "scoreline":
        raise
    raise ImportError(f"scoreline.testing needs {error.name}: pip install 'scoreline[testing]'") from error
from scoreline.testing.fake_route import FakeRoute

__all__ = ["FakeRoute", "FakeServer"]
