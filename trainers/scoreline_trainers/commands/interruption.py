"""Ctrl-C while a command trains or publishes: nothing is published by half."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from scoreline_trainers.progress import Progress, Watched, progress_on_stderr

INTERRUPTED = 130


@contextmanager
def progress_until_published() -> Iterator[Progress]:
    """Progress of the work before a publication. Ctrl-C ends it with one line and the exit code 130."""
    watched: Watched | None = None
    try:
        with progress_on_stderr() as progress:
            watched = Watched(progress)
            yield watched
    except KeyboardInterrupt as error:
        stage = f" in the stage {watched.title!r}" if watched is not None and watched.title else ""
        click.echo(f"interrupted{stage}: nothing was published", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from error


@contextmanager
def without_interruption() -> Iterator[None]:
    """Holds Ctrl-C back, so that a publication that has begun is whole; it takes less than a second."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
