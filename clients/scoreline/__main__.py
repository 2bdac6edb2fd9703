"""``python -m scoreline``: the same as the ``scoreline`` command."""

import sys

from scoreline.cli import main

if __name__ == "__main__":
    sys.exit(main())
