"""``scoreline doctor``: checks of the machine, the registry and a running server."""
