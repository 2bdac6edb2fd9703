"""A model that callers may lie to: what attacks cost it, and how many of them it sees."""

import numpy as np
import polars as pl
import pytest

from scoreline_registry.documents.contract import ScoreContract
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.data.columns import Columns, FeatureSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import Validation
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.gate.checks import prove
from scoreline_trainers.graph.scorer import OnnxScorer
from tests.trainers.attacks import SPENDERS, Attack, Outcome, outcome, spenders
from tests.trainers.tables import dataset, fit, people, split_table

if FAMILIES.problem("gan_hardened"):
    pytest.skip(FAMILIES.problem("gan_hardened"), allow_module_level=True)

from scoreline_trainers.families.anomaly.detectors import LIMIT, Alarm, Distance, Isolation, Statistical, View
from scoreline_trainers.families.networks.gan_hardened import FittedGanHardened


@pytest.fixture(scope="module")
def split() -> tuple[Dataset, Dataset]:
    return split_table(spenders(3000), SPENDERS, validation=Validation(kind="random", fraction=0.4))


@pytest.fixture(scope="module")
def hardened(split: tuple[Dataset, Dataset]) -> FittedGanHardened:
    fitted = fit("gan_hardened", split[0], hidden=(32, 16), denoiser=32, n_estimators=50, prototypes=32, epsilon=0.5)
    assert isinstance(fitted, FittedGanHardened)
    return fitted


@pytest.fixture(scope="module")
def attacked(split: tuple[Dataset, Dataset], hardened: FittedGanHardened) -> Outcome:
    return outcome(hardened, split[1], Attack.on_numbers(split[0], epsilon=0.5))


def test_an_attack_costs_it_less_than_trees(split: tuple[Dataset, Dataset], attacked: Outcome) -> None:
    trees = outcome(fit("lightgbm", split[0]), split[1], Attack.on_numbers(split[0], epsilon=0.5))
    assert attacked.clean_auc > trees.clean_auc - 0.03
    assert attacked.attacked_auc > trees.attacked_auc + 0.1


def test_it_sees_19_of_20_attacks_at_2_percent_false_alarms(attacked: Outcome) -> None:
    assert attacked.detected is not None
    assert attacked.detected >= 0.95


def test_its_own_flag_keeps_to_the_false_alarms_it_was_given(attacked: Outcome) -> None:
    assert attacked.flagged_clean is not None
    assert attacked.flagged_attacked is not None
    assert attacked.flagged_clean <= 0.04
    assert attacked.flagged_attacked >= 0.95


def test_the_flag_is_an_anomaly_score_above_1(split: tuple[Dataset, Dataset], hardened: FittedGanHardened) -> None:
    outputs = OnnxScorer(hardened.to_onnx().SerializeToString()).run(split[1].batch)
    np.testing.assert_array_equal(outputs["anomaly_flag"], outputs["anomaly_score"] > 1)
    assert 0 < outputs["anomaly_flag"].sum() < len(split[1])


def test_an_absurd_row_has_the_highest_anomaly_score(
    split: tuple[Dataset, Dataset], hardened: FittedGanHardened
) -> None:
    table = split[1].batch.table[:50].copy()
    table[:, 1] = 1e9
    assert hardened.extras(Batch(features=table))["anomaly_score"].min() > 20
    assert hardened.extras(Batch(features=table))["anomaly_score"].max() <= LIMIT


def test_a_denoiser_takes_most_of_a_move_out(split: tuple[Dataset, Dataset], hardened: FittedGanHardened) -> None:
    import torch

    rows = torch.from_numpy(hardened.design.apply(split[1].batch.table))
    count = len(hardened.design.numbers)
    moved = rows.clone()
    moved[:, :count] += 0.5 * torch.from_numpy(np.random.default_rng(0).choice([-1.0, 1.0], (len(rows), count)))
    with torch.no_grad():
        left = hardened.model.denoised(moved)[:, :count] - rows[:, :count]
    assert float(left.square().mean()) < 0.5 * 0.5**2


def test_what_is_missing_is_not_unusual() -> None:
    draw = np.random.default_rng(0)
    numbers, known = draw.normal(size=(500, 3)), draw.random((500, 3)) > 0.2
    view = View.fit(numbers, known, np.zeros((500, 0)))
    nothing = view.apply(np.full((1, 3), 19.0), np.zeros((1, 3), np.bool_), np.zeros((1, 0)))
    np.testing.assert_array_equal(nothing, 0)


def test_a_view_has_variance_1_and_no_correlation_whatever_the_category() -> None:
    draw = np.random.default_rng(0)
    group = draw.integers(0, 2, 4000)
    shared = draw.normal(size=4000)
    numbers = np.stack([shared + 3 * group, shared + draw.normal(size=4000)], axis=1)
    given = np.eye(2)[group]
    seen = View.fit(numbers, np.ones((4000, 2), np.bool_), given).apply(numbers, np.ones((4000, 2), np.bool_), given)
    np.testing.assert_allclose(seen.T @ seen / 4000, np.eye(4), atol=0.05)
    assert abs(seen[group == 1].mean() - seen[group == 0].mean()) < 0.02


def test_an_alarm_goes_off_where_any_detector_does() -> None:
    draw = np.random.default_rng(0)
    # Two crowds with nothing between them: the middle of all is odd by distance, and by no other measure.
    usual = np.concatenate([draw.normal(-8, 1, (300, 1)), draw.normal(8, 1, (300, 1))])
    detectors = (
        Isolation.fit(usual, trees=20, rows=64, seed=0),
        Statistical(),
        Distance.fit(usual, prototypes=2, seed=0),
    )
    alarm = Alarm.fit(detectors, usual, false_positives=0.02)
    middle = np.zeros((1, 1))
    assert Statistical().apply(middle)[0] < 1
    assert alarm.apply(middle)[0] > 1
    assert np.mean(alarm.apply(usual) > 1) <= 0.02


def test_an_alarm_over_rows_that_are_all_alike_is_still_a_number() -> None:
    alike = np.zeros((20, 2))
    detectors = (Statistical(), Distance.fit(alike, prototypes=4, seed=0))
    alarm = Alarm.fit(detectors, alike, false_positives=0.02)
    assert np.isfinite(alarm.apply(np.ones((1, 2)))).all()


@pytest.mark.parametrize("seed", range(4))
def test_rows_of_counts_and_flags_that_are_often_alike_pass_the_gate(seed: int) -> None:
    draw = np.random.default_rng(seed)
    counts = {
        name: draw.integers(0, most, 400) for name, most in {"visits": 4, "late": 3, "flag": 2, "label": 2}.items()
    }
    columns = Columns(label="label", features=tuple(FeatureSpec(name=name) for name in ("visits", "late", "flag")))
    data = Dataset.from_table(pl.DataFrame(counts), columns)
    fitted = fit("gan_hardened", data, epochs=1)
    extras = fitted.extras(data.batch)
    assert extras["anomaly_flag"].mean() < 0.1
    prove(
        fitted.to_onnx().SerializeToString(),
        subject="counts",
        inputs=data.inputs,
        score=ScoreContract(meaning="t", extras=tuple(extras)),
        samples=data.batch,
        reference=lambda batch: {"score": fitted.predict(batch), **fitted.extras(batch)},
        edges=fitted.edges(),
        tolerances=fitted.tolerances(),
    )


def test_only_numbers_that_an_attacker_can_change_are_defended() -> None:
    data = dataset()
    assert fit("gan_hardened", data).describe()["numbers defended"] == 3
    assert fit("gan_hardened", data, attackable=("income",)).describe()["numbers defended"] == 1
    with pytest.raises(FitError, match="'plan' is not among income, age, visits"):
        fit("gan_hardened", data, attackable=("plan",))


def test_categories_alone_cannot_be_hardened() -> None:
    columns = Columns(label="label", features=(FeatureSpec(name="city"),))
    with pytest.raises(FitError, match="one at least is a number"):
        fit("gan_hardened", Dataset.from_table(people(), columns))
