"""The posterior of a relative effect against the table of GrowthBook 0.8."""

from scoreline_registry.statistics.contrasts.posterior import Posterior, relative_posterior
from scoreline_registry.statistics.contrasts.proportions import rate
from scoreline_registry.statistics.figures import Estimate, TooFew


def test_the_posterior_is_that_of_growthbook() -> None:
    found = relative_posterior(rate(49, 100), rate(51, 100))
    assert isinstance(found, Posterior)
    assert isinstance(found.effect, Estimate)
    assert round(found.chance_to_win, 5) == 0.60918
    assert [round(value, 5) for value in (found.effect.value, found.effect.low, found.effect.high)] == [
        0.04082,
        -0.24779,
        0.32943,
    ]
    assert (round(found.risk_of_control, 5), round(found.risk_of_treated, 5)) == (0.0814, 0.04058)
    assert isinstance(relative_posterior(rate(0, 0), rate(1, 2)), TooFew)
