"""Profiles of tables: what is in each column, and what a person should know before a model learns from it.

``profile`` looks at a frame and returns a ``document.TableProfile``, which is stored as JSON. Nothing here reads files.
"""
