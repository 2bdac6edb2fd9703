"""``python -m scoreline_server``: the same as ``scoreline serve``."""

from scoreline_server.commands import serve

if __name__ == "__main__":
    serve()
