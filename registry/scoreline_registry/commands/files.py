"""Definitions that commands are given as files."""

from typing import BinaryIO

from scoreline_registry.commands.options import Failure


def read_text(file: BinaryIO) -> tuple[str, str]:
    """The name of a file, for errors, and its text. Raises Failure where it is not UTF-8."""
    source = getattr(file, "name", "<stdin>")
    try:
        return source, file.read().decode()
    except UnicodeDecodeError as error:
        raise Failure(f"{source} is not UTF-8 text") from error
