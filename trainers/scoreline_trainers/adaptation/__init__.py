"""New segments from a handful of labelled rows, without touching what a model says of the others.

A model that can be adapted has one linear head per segment over a state that all segments share. Its graph keeps the
heads under a name and the state under another, and ``adaptation.json`` beside the graph has the rule by which rows
become a head. So the registry's own files are all that adapting needs; no training library is.
"""
