"""The journal: what a serving process was asked and what it answered, in files that can be read alone.

A writer thread takes what was scored from a bounded queue, makes columns of it and appends them as checked blocks.
``docs/guides/journal.md`` describes the files.
"""
