"""Writes the first recipe of a table by its profile, with the reason of each choice.

A recipe is made of ``choices.Choice`` values, which ``yaml_text`` writes as YAML with the reasons as comments.
"""
