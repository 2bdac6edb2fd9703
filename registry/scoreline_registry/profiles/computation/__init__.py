"""The one computation of features: live from states, offline from logs, with equal bits. Pure.

``compiling`` turns a profile into a ``Computation``. It folds events, always in order of time and id, into one state
for each entity: a list of series, each shared by the features that aggregate the same events over the same tiles.
"""
