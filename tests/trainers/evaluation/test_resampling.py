"""Bootstrap errors and intervals over units."""

import numpy as np
import pytest

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.binary.figures import binary_metrics
from scoreline_trainers.evaluation.binary.ranked import RankedDraws
from scoreline_trainers.evaluation.document import Interval
from scoreline_trainers.evaluation.metrics import Label, evaluate
from scoreline_trainers.evaluation.uncertainty.intervals import mean_interval, rate_interval
from scoreline_trainers.evaluation.uncertainty.resampling import draw_counts, standard_errors


def sample(rows: int, *, seed: int = 0, ties: bool = False) -> tuple[Label, Float64]:
    draw = np.random.default_rng(seed)
    score = draw.beta(1, 3, rows)
    score = np.round(score, 1) if ties else score
    return (draw.random(rows) < score).astype(np.int8), score


def width(figure: Interval) -> float:
    assert figure.low is not None
    assert figure.high is not None
    return figure.high - figure.low


@pytest.mark.parametrize("ties", [False, True])
def test_a_draw_has_the_metrics_of_its_rows(ties: bool) -> None:
    label, score = sample(150, ties=ties)
    statistic = RankedDraws(label, score, {"brier": np.square(score - label)})
    (counts,) = draw_counts(150, draws=3, seed=1)
    found = statistic(counts)
    for draw, times in enumerate(counts.astype(int)):
        rows = np.repeat(statistic.order, times)
        expected = evaluate(label[rows], score[rows], ["auc", "gini", "ks", "average_precision", "best_f1", "brier"])
        got = {name: float(found[name][draw]) for name in ("auc", "gini", "ks", "average_precision", "best_f1")}
        assert got == pytest.approx({name: expected[name] for name in got})
        assert found["brier"][draw] == pytest.approx(expected["brier"])


def test_draws_of_units_take_all_of_their_rows() -> None:
    units = np.array([0, 0, 1, 2, 2, 2])
    blocks = np.concatenate(list(draw_counts(6, units=units, draws=50, seed=0)))
    assert blocks.shape == (50, 6)
    assert (blocks[:, 0] == blocks[:, 1]).all()
    assert (blocks[:, 3] == blocks[:, 5]).all()
    assert (blocks[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_equal_seeds_give_equal_errors() -> None:
    label, score = sample(300)
    found = [binary_metrics(label, score, seed=seed)["ks"] for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_the_error_of_a_mean_is_that_of_its_formula() -> None:
    values = np.random.default_rng(0).exponential(size=400)

    def means(counts: Float64) -> dict[str, Float64]:
        return {"mean": counts @ values / counts.sum(axis=1)}

    errors = standard_errors(means, 400, draws=2000)
    assert errors["mean"] == pytest.approx(values.std() / 20, rel=0.06)


def test_the_bootstraps_interval_of_an_area_is_near_delongs() -> None:
    label, score = sample(1500)
    pairs = np.arange(1500)
    delong = binary_metrics(label, score)["auc"]
    # One unit holds two rows, so that the bootstrap takes over.
    pairs[1] = 0
    drawn = binary_metrics(label, score, units=pairs, draws=600)["auc"]
    assert (delong.method, drawn.method) == ("DeLong", "bootstrap of units")
    assert drawn.value == delong.value
    assert width(drawn) == pytest.approx(width(delong), rel=0.12)


def test_rows_that_repeat_a_unit_add_nothing_to_what_is_known() -> None:
    label, score = sample(800)
    four = np.repeat(np.arange(800), 4)
    single = binary_metrics(label, score, draws=400)
    naive = binary_metrics(label[four], score[four], draws=400)
    clustered = binary_metrics(label[four], score[four], units=four, draws=400)
    for name in ("auc", "brier", "ks", "average_precision", "rate"):
        assert width(clustered[name]) == pytest.approx(width(single[name]), rel=0.2), name
        assert width(naive[name]) < 0.65 * width(single[name]), name


def test_a_rate_over_units_is_the_linearised_one() -> None:
    hits, units = np.array([True, True, False, False, True]), np.array([0, 0, 1, 1, 2])
    found = rate_interval(hits, units)
    assert found is not None
    assert found.value == pytest.approx(0.6)
    assert found.method == "linearised over units"
    # Sums 2, 0, 1 over counts 2, 2, 1: deviations d = sum - 0.6 count of 0.8, -1.2, 0.4 and a mean count of 5/3.
    error = np.sqrt((0.8**2 + 1.2**2 + 0.4**2) / 2 / 3) / (5 / 3)
    assert found.low == pytest.approx(max(0, 0.6 - 4.302653 * error))
    assert rate_interval(hits[:0], units[:0]) is None
    assert mean_interval(np.empty(0), None) is None


def test_the_interval_of_ks_covers_the_truth_about_as_often_as_it_says() -> None:
    # N(1, 1) against N(0, 1): the largest gap is 2 Phi(1/2) - 1.
    draw, truth, covered = np.random.default_rng(0), 0.3829249, 0
    for seed in range(100):
        label = np.repeat([0, 1], 500).astype(np.int8)
        figure = binary_metrics(label, draw.normal(label.astype(float), 1), probability=False, draws=60, seed=seed)
        low, high = figure["ks"].low, figure["ks"].high
        assert low is not None
        assert high is not None
        covered += low <= truth <= high
    assert covered >= 85
