"""The journal: a log of each scored row with its inputs and its result, in files that can be read without the registry.

A writer thread takes scored batches from a bounded queue and appends them as columns in checksummed blocks.
``docs/guides/journal.md`` describes the files.
"""
