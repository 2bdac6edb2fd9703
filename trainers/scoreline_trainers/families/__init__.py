"""The model families, by the name that a recipe calls them.

``FAMILIES["lightgbm"]`` imports the family when it is asked for, so that a missing library disables one family and no
more. Other distributions add theirs by an entry point of group "scoreline.families" whose object is a ``Family``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, cast

from scoreline_trainers.errors import FamilyError
from scoreline_trainers.family import Family
from scoreline_trainers.problems import nearest_or_all

GROUP = "scoreline.families"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a family's class stands, what it is, the modules it needs and the extra that brings them ("" for none).

    ``needs_label`` is False for one that can learn from rows without labels.
    """

    target: str
    summary: str
    needs: tuple[str, ...] = ()
    extra: str = "trainers"
    needs_label: bool = True


_HERE = "scoreline_trainers.families"

BUILT_IN: Mapping[str, Source] = {
    "logistic": Source(f"{_HERE}.logistic:Logistic", "logistic regression over features", ("sklearn",)),
    "lightgbm": Source(f"{_HERE}.trees.lightgbm:LightGBM", "gradient-boosted trees over features", ("lightgbm",)),
    "xgboost": Source(f"{_HERE}.trees.xgboost:XGBoost", "gradient-boosted trees over features", ("xgboost",)),
    "catboost": Source(f"{_HERE}.trees.catboost:CatBoost", "symmetric boosted trees over features", ("catboost",)),
    "random_forest": Source(f"{_HERE}.trees.random_forest:RandomForest", "averaged trees over features", ("sklearn",)),
    "isolation_forest": Source(
        f"{_HERE}.anomaly.isolation_forest:IsolationForest",
        "anomalies among features, without labels",
        ("sklearn",),
        needs_label=False,
    ),
    "profile_deviation": Source(
        f"{_HERE}.anomaly.profile_deviation:ProfileDeviation",
        "a purchase against its buyer's own history",
        ("sklearn",),
        needs_label=False,
    ),
    "mlp": Source(f"{_HERE}.networks.mlp:MLP", "dense network over features", ("torch",), "deep"),
    "lstm": Source(f"{_HERE}.networks.lstm:LSTM", "recurrent network over histories", ("torch",), "deep"),
    "cnn_lstm": Source(
        f"{_HERE}.networks.cnn_lstm:CNNLSTM", "convolutions, then LSTM over histories", ("torch",), "deep"
    ),
    "tcn": Source(f"{_HERE}.networks.tcn:TCN", "dilated convolutions over histories", ("torch",), "deep"),
    "transformer": Source(f"{_HERE}.networks.transformer:Transformer", "attention over histories", ("torch",), "deep"),
    "gat": Source(
        f"{_HERE}.networks.gat:GAT", "attention over neighbours, for units without history", ("torch",), "deep"
    ),
    "gan_hardened": Source(
        f"{_HERE}.networks.gan_hardened:GanHardened",
        "dense network that perturbed rows alarm",
        ("torch", "sklearn"),
        "deep",
    ),
    "voting": Source(f"{_HERE}.ensembles.voting:Voting", "the mean of members of any family"),
    "stacking": Source(
        f"{_HERE}.ensembles.stacking:Stacking", "a calibrated regression over members of any family", ("sklearn",)
    ),
    "weighted": Source(
        f"{_HERE}.ensembles.weighted:Weighted", "a weighted mean of members over features and histories"
    ),
    "segmented": Source(f"{_HERE}.ensembles.segmented:Segmented", "a member for each segment, and a fallback"),
    "transfer": Source(
        f"{_HERE}.few_shot.transfer:Transfer", "a head per segment, pulled to a common one", ("torch",), "deep"
    ),
    "multitask": Source(
        f"{_HERE}.few_shot.multitask:Multitask", "a head per segment, all learned together", ("torch",), "deep"
    ),
    "maml": Source(f"{_HERE}.few_shot.maml:MAML", "heads that learn from a few rows of a segment", ("torch",), "deep"),
}


class Families(Mapping[str, Family[Any]]):
    """Name -> family, imported at first use. Raises FamilyError for one that is unknown or lacks a library."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.sources = sources

    def __getitem__(self, name: str) -> Family[Any]:
        problem = self.problem(name)
        if problem:
            raise FamilyError(name, problem)
        module, _, attribute = self.sources[name].target.partition(":")
        return cast("Family[Any]", getattr(import_module(module), attribute)())

    def __contains__(self, name: object) -> bool:
        return name in self.sources

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)

    def problem(self, name: str) -> str:
        """Why a family cannot be used here; empty for one that can. Imports nothing."""
        if name not in self.sources:
            return f"is unknown; {nearest_or_all(name, sorted(self.sources))}"
        source = self.sources[name]
        missing = [module for module in source.needs if find_spec(module) is None]
        return f"needs {missing[0]}: pip install 'scoreline[{source.extra}]'" if missing else ""


def discovered() -> Mapping[str, Source]:
    """The built-in families and those of other installed distributions, which may not replace a built-in one."""
    others = {point.name: Source(point.value, f"from {point.value}", extra="") for point in entry_points(group=GROUP)}
    return {**others, **BUILT_IN}


FAMILIES = Families(discovered())
