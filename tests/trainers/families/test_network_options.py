"""What all networks share: embeddings, row weights, amounts, refit and warm start."""

import json
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra deep")

from scoreline_registry.documents.contract import Feature, InputContract, ScoreContract
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.families.networks.network import FittedNetwork
from scoreline_trainers.families.networks.options import embedding_width
from scoreline_trainers.families.networks.weights import WEIGHTS_FILE, unpacked
from scoreline_trainers.family import Start, WarmFamily
from scoreline_trainers.gate.checks import prove
from scoreline_trainers.progress import Silent
from tests.trainers.tables import BOTH, FEW_SHOT, SMALL, TABLE, dataset

NAMES = tuple(f"shop {number}" for number in range(40))
QUICK = {"hidden": (8,), "epochs": 6, "batch_size": 64, "learning_rate": 0.02, "dropout": 0.0}


def shops(rows: int = 600, *, seed: int = 0) -> Dataset:
    """A number and a shop of 40; the shops of even number have the label 1 more often."""
    draw = np.random.default_rng(seed)
    shop, number = draw.integers(0, len(NAMES), rows), draw.normal(size=rows)
    label = (draw.random(rows) < 1 / (1 + np.exp(-(number + 2 - 4 * (shop % 2))))).astype(np.int8)
    features = np.stack([number, np.where(draw.random(rows) < 0.05, np.nan, shop)], axis=1).astype(np.float32)
    inputs = InputContract(features=(Feature(name="x"), Feature(name="shop", kind="category", vocabulary=NAMES)))
    return Dataset(inputs, Batch(features=features), label)


def amounts(data: Dataset, *, times: float = 1000.0) -> Dataset:
    """The same rows with an amount that rises with the first number."""
    return replace(data, amount=times * (5 + data.batch.table[:, 0].astype(np.float64)), label=data.label * 0)


def trained(data: Dataset, family: str = "mlp", *, seed: int = 0, **options: Any) -> FittedNetwork:
    config = FAMILIES[family].config_type(**{**QUICK, **options} if family == "mlp" else {**SMALL[family], **options})
    fitted = FAMILIES[family].fit(data, config, seed=seed, progress=Silent())
    assert isinstance(fitted, FittedNetwork)
    return fitted


def warm(family: str) -> WarmFamily[Any]:
    return cast("WarmFamily[Any]", FAMILIES[family])


def proved(fitted: FittedNetwork, data: Dataset, *, tolerance: float = 1e-5) -> None:
    prove(
        fitted.to_onnx().SerializeToString(),
        subject="test",
        inputs=data.inputs,
        score=ScoreContract(meaning="test", kind="value" if data.amount is not None else "probability"),
        samples=data.batch,
        reference=lambda batch: {"score": fitted.predict(batch)},
        tolerances={"score": tolerance},
    )


def test_categories_of_many_names_are_embedded_and_the_graph_proves_it() -> None:
    data = shops()
    fitted = trained(data, epochs=12)
    assert fitted.feed.embedded == (1,)
    assert fitted.feed.widths == (embedding_width(40, "auto"),) == (13,)
    proved(fitted, data)
    both = np.tile(np.array([[0, 0], [0, 1]], np.float32), (20, 1))
    both[:, 1] += np.repeat(np.arange(0, 40, 2), 2)
    even, odd = fitted.predict(Batch(features=both)).reshape(-1, 2).T
    assert even.mean() > odd.mean() + 0.3


def test_other_and_missing_names_have_rows_of_their_own() -> None:
    fitted = trained(shops(), epochs=12)
    unseen, missing, even = fitted.predict(Batch(features=np.array([[0, 40], [0, np.nan], [0, 2]], np.float32)))
    assert len({unseen, missing, even}) == 3
    assert unseen < even


@pytest.mark.parametrize(("embedding", "width"), [("auto", 13), ("none", 0), (4, 4), (64, 0)])
def test_embedding_says_which_categories_are_embedded(embedding: Any, width: int) -> None:
    assert embedding_width(40, embedding) == width


def test_small_vocabularies_stay_one_hot() -> None:
    assert trained(dataset(TABLE)).feed.embedded == ()
    assert trained(dataset(BOTH), "lstm", embedding=3, epochs=1).feed.widths == (3,)


def test_a_network_over_histories_embeds_categories_of_features_too() -> None:
    data = dataset(BOTH)
    proved(trained(data, "lstm", embedding=3, epochs=1), data)


@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_amounts_are_learned_in_their_own_unit(loss: str) -> None:
    data = amounts(shops())
    fitted = trained(data, loss=loss, epochs=15)
    assert data.amount is not None
    error = np.abs(fitted.predict(data.batch) - data.amount).mean()
    assert error < 0.35 * np.abs(data.amount - data.amount.mean()).mean()
    proved(fitted, data, tolerance=1e-5 * float(data.amount.max()))


def test_histories_learn_amounts_too() -> None:
    data = dataset(BOTH)
    late = replace(data, amount=data.target * 50)
    score = trained(late, "tcn", epochs=4).predict(late.batch)
    assert score[data.label == 1].mean() > score[data.label == 0].mean() + 10


def test_rows_count_as_their_weights_say() -> None:
    data = shops()
    heavy: Float64 = np.where(data.label == 1, 9.0, 1.0)
    plain, weighted = (trained(each).predict(data.batch) for each in (data, replace(data, weight=heavy)))
    assert weighted.mean() > plain.mean() + 0.15
    scaled = trained(replace(data, weight=heavy * 1000)).predict(data.batch)
    np.testing.assert_allclose(scaled, weighted, atol=1e-4)


def test_refit_learns_from_all_rows_for_the_best_number_of_epochs() -> None:
    data = shops()
    once, again = (trained(data, refit=refit, epochs=4) for refit in (False, True))
    assert once.epochs == again.epochs
    assert np.abs(once.predict(data.batch) - again.predict(data.batch)).max() > 1e-3
    np.testing.assert_array_equal(trained(data, refit=True, epochs=4).predict(data.batch), again.predict(data.batch))


@pytest.mark.parametrize("family", ["mlp", "transformer"])
def test_training_goes_on_from_a_version(family: str) -> None:
    data = shops() if family == "mlp" else dataset(BOTH)
    first = trained(data, family, epochs=3, schedule="constant", refit=False)
    start = Start("test@1", family, data.inputs, first.files())
    options = {**(QUICK if family == "mlp" else SMALL[family]), "epochs": 1, "learning_rate": 1e-6}
    config = FAMILIES[family].config_type(**options)
    more = warm(family).fit_from(start, data, config, seed=1, progress=Silent())
    fresh = trained(data, family, seed=1, epochs=1, learning_rate=1e-6)
    scores = [fitted.predict(data.batch) for fitted in (first, more, fresh)]
    _, like, unlike = np.asarray(np.corrcoef(scores))[0]
    assert like > 0.95
    assert unlike < 0.9


def test_the_weights_of_equal_networks_are_equal_files() -> None:
    one, other = (trained(amounts(shops())).files()[WEIGHTS_FILE] for _ in range(2))
    assert one == other
    found = unpacked(one)
    assert found.scale is not None
    assert found.feed.sizes == (40,)
    assert found.feed.design is not None
    assert found.feed.design.scaling.bend.methods == ("standard",)


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({}, {}, "which test@1 lacks"),
        ({WEIGHTS_FILE: b"PK nonsense"}, {}, "does not hold the weights of a network"),
        (None, {"hidden": (9,)}, "weights of other sizes"),
    ],
)
def test_weights_that_do_not_fit_are_refused(files: Any, options: dict[str, Any], message: str) -> None:
    data = shops()
    start = Start("test@1", "mlp", data.inputs, trained(data, epochs=1).files() if files is None else files)
    config = FAMILIES["mlp"].config_type(**{**QUICK, **options})
    with pytest.raises(FitError, match=message):
        warm("mlp").fit_from(start, data, config, seed=0, progress=Silent())


def test_a_regression_does_not_go_on_from_probabilities() -> None:
    data = shops()
    start = Start("test@1", "mlp", data.inputs, trained(data, epochs=1).files())
    with pytest.raises(FitError, match="another task"):
        warm("mlp").fit_from(start, amounts(data), FAMILIES["mlp"].config_type(**QUICK), seed=0, progress=Silent())


@pytest.mark.parametrize("family", ["mlp", "lstm", "cnn_lstm", "tcn", "transformer", "gat", "transfer", "maml"])
def test_networks_take_the_names_of_other_libraries(family: str) -> None:
    config = FAMILIES[family].config_type
    required = {"segment": "city"} if "segment" in config.model_fields else {}
    other = {"lr": 0.01, "max_epochs": 3, "n_iter_no_change": 2, "dropout_rate": 0.2, "num_threads": 2}
    own = {"learning_rate": 0.01, "epochs": 3, "patience": 2, "dropout": 0.2, "threads": 2}
    read = [config.model_validate_json(json.dumps(given | required)) for given in (other, own)]
    assert read[0] == read[1]
    assert read[0].model_dump().items() >= own.items()


@pytest.mark.parametrize("family", [*FEW_SHOT, "gan_hardened"])
def test_families_of_other_training_loops_count_weights_too(family: str) -> None:
    data = dataset(TABLE)
    heavy = replace(data, weight=np.where(data.label == 1, 6.0, 1.0))
    config = FAMILIES[family].config_type(**SMALL[family])
    plain, weighted = (
        FAMILIES[family].fit(each, config, seed=0, progress=Silent()).predict(data.batch) for each in (data, heavy)
    )
    assert weighted.mean() > plain.mean() + 0.1
