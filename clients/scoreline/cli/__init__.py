"""The ``scoreline`` command. It needs click, which the bare client does not."""

import sys

from scoreline.version import __version__


def main() -> int:
    """Runs the command with the process's arguments and returns its exit code: 0, 1 for a failure, 2 for bad usage."""
    try:
        from scoreline.cli.app import run
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        if sys.argv[1:] == ["--version"]:
            print(f"scoreline, version {__version__}")
            return 0
        print("The scoreline command needs more than the client: pip install 'scoreline[cli]'", file=sys.stderr)
        return 2
    return run(sys.argv[1:])
