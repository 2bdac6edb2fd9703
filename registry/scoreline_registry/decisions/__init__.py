"""Decisions: policies that turn scores into actions, their limits and their messages. Pure.

``policy`` is the document, with its parts in the modules beside it. ``specs`` reads and writes it, ``checks`` refuses
one that could not decide, ``deciding`` decides, ``messages`` writes the words.
"""
