"""The journal: a log of each scored row with its inputs and its result, in files that can be read without the registry.

A writer thread takes scored batches from a bounded queue and appends them as columns in checksummed blocks.
``writing`` makes the files and ``reading`` gives their rows back; both import ``format`` and neither the other.
``docs/guides/journal.md`` describes the files.
"""
