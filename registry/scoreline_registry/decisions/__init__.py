"""Decisions: policies that turn scores into actions, their limits and their messages. Pure.

``policy`` is the document, with its parts in the modules beside it. ``specs`` reads, compares and writes it, ``checks``
refuses one that could not decide, ``deciding`` decides, ``messages`` writes the words, ``previewing`` shows both for
given rows, and ``learning`` finds thresholds and effects from cases.
"""
