"""Analysis of journals and outcomes: comparison of arms and shadows, and replay. Reads files; never calls a server."""
