"""Statistics of experiments and models: pure functions of arrays, counts and moments.

Every result is a ``Figure``: an ``Estimate`` that names its method, its assumptions and its count, or ``TooFew``.
SciPy is imported by the functions that need it; sequential methods need NumPy only.
"""
