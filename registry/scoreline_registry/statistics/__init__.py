"""Statistics of experiments and models: pure functions of arrays, counts and moments.

A figure is an ``Estimate``, which names its method, its assumptions and its count, or ``TooFew``. Two arms, or two
scores of the same rows, become a ``Contrast``; a level makes an interval of it, for one look or for every look.

- ``contrasts``: differences of means, rates and ratios, within strata, adjusted by a covariate; intervals for one look.
- ``always_valid``: intervals and tests that hold at every look.
- ``scores``: how well scores rank and are calibrated, and how two scores of the same rows agree.
- ``experiments``: sample sizes, the sample ratio, corrections for many metrics, shares that follow outcomes.
- ``off_policy``: the value of a policy that never ran, from journaled decisions and their propensities.

SciPy is imported by the functions that need it; always-valid methods and sample sizes need NumPy only.

The server's comparisons and guards call most of this. Offered beside that, for notebooks and as the reference that the
others are tested against: the gamma mixtures, the stitched boundary and ``quantiles`` (confseq), ``linear_models``
(avlm) and ``posterior`` (GrowthBook), each checked with its authors' published figures; and ``inverse_propensity``,
which shows that comparisons within periods need no weights of rows while shares follow outcomes.
"""
