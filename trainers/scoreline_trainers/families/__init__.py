"""The model families, by the name that a recipe calls them.

``FAMILIES["lightgbm"]`` imports the family when it is asked for, so that a missing library disables one family and no
more. Other distributions add theirs by an entry point of group "scoreline.families": its name is the family's, its
object a class without arguments that follows ``family.Family``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any, cast

from scoreline_registry.errors import first_line
from scoreline_trainers.data.columns import Task
from scoreline_trainers.errors import FamilyError
from scoreline_trainers.family import BINARY, Family
from scoreline_trainers.problems import nearest_or_all

GROUP = "scoreline.families"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a built-in family's class is, and what is listed of it without importing it.

    Attributes:
        target: "module:class".
        summary: one line.
        needs: modules without which it cannot be imported.
        extra: of this distribution, which brings them.
        needs_label: False for a family that can learn from rows without labels.
        tasks: what it can learn by itself; several classes and horizons are made of binary models.
    """

    target: str
    summary: str
    needs: tuple[str, ...] = ()
    extra: str = "trainers"
    needs_label: bool = True
    tasks: frozenset[Task] = BINARY


_HERE = "scoreline_trainers.families"
_AMOUNTS: frozenset[Task] = frozenset({"binary", "regression"})

BUILT_IN: Mapping[str, Source] = {
    "logistic": Source(f"{_HERE}.logistic:Logistic", "logistic regression over features", ("sklearn",)),
    "linear": Source(
        f"{_HERE}.linear:Linear",
        "linear regression of amounts over features",
        ("sklearn",),
        tasks=frozenset({"regression"}),
    ),
    "lightgbm": Source(
        f"{_HERE}.trees.lightgbm:LightGBM", "gradient-boosted trees over features", ("lightgbm",), tasks=_AMOUNTS
    ),
    "xgboost": Source(
        f"{_HERE}.trees.xgboost:XGBoost", "gradient-boosted trees over features", ("xgboost",), tasks=_AMOUNTS
    ),
    "catboost": Source(
        f"{_HERE}.trees.catboost:CatBoost", "symmetric boosted trees over features", ("catboost",), tasks=_AMOUNTS
    ),
    "random_forest": Source(
        f"{_HERE}.trees.random_forest:RandomForest", "averaged trees over features", ("sklearn",), tasks=_AMOUNTS
    ),
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
    "mlp": Source(f"{_HERE}.networks.mlp:MLP", "dense network over features", ("torch",), "deep", tasks=_AMOUNTS),
    "lstm": Source(
        f"{_HERE}.networks.lstm:LSTM", "recurrent network over histories", ("torch",), "deep", tasks=_AMOUNTS
    ),
    "cnn_lstm": Source(
        f"{_HERE}.networks.cnn_lstm:CNNLSTM",
        "convolutions, then LSTM over histories",
        ("torch",),
        "deep",
        tasks=_AMOUNTS,
    ),
    "tcn": Source(
        f"{_HERE}.networks.tcn:TCN", "dilated convolutions over histories", ("torch",), "deep", tasks=_AMOUNTS
    ),
    "transformer": Source(
        f"{_HERE}.networks.transformer:Transformer", "attention over histories", ("torch",), "deep", tasks=_AMOUNTS
    ),
    "gat": Source(
        f"{_HERE}.networks.gat:GAT",
        "attention over neighbors, for units without history",
        ("torch",),
        "deep",
        tasks=_AMOUNTS,
    ),
    "gan_hardened": Source(
        f"{_HERE}.networks.gan_hardened:GanHardened",
        "dense network that perturbed rows alarm",
        ("torch", "sklearn"),
        "deep",
    ),
    "voting": Source(f"{_HERE}.ensembles.voting:Voting", "the mean of members of any family", tasks=_AMOUNTS),
    "stacking": Source(
        f"{_HERE}.ensembles.stacking:Stacking",
        "a calibrated regression over members of any family",
        ("sklearn",),
        tasks=_AMOUNTS,
    ),
    "weighted": Source(
        f"{_HERE}.ensembles.weighted:Weighted", "a weighted mean of members over features and histories", tasks=_AMOUNTS
    ),
    "segmented": Source(
        f"{_HERE}.ensembles.segmented:Segmented", "a member for each segment, and a fallback", tasks=_AMOUNTS
    ),
    "transfer": Source(
        f"{_HERE}.few_shot.transfer:Transfer", "a head per segment, pulled to a common one", ("torch",), "deep"
    ),
    "multitask": Source(
        f"{_HERE}.few_shot.multitask:Multitask", "a head per segment, all learned together", ("torch",), "deep"
    ),
    "maml": Source(f"{_HERE}.few_shot.maml:MAML", "heads that learn from a few rows of a segment", ("torch",), "deep"),
}


class BuiltIn:
    """A family of this package: it is described in BUILT_IN, so that families are listed without importing them."""

    name: str

    @property
    def summary(self) -> str:
        """One line for ``scoreline train --list``."""
        return BUILT_IN[self.name].summary

    @property
    def needs_label(self) -> bool:
        """False for a family that can learn from rows without labels."""
        return BUILT_IN[self.name].needs_label

    @property
    def tasks(self) -> frozenset[Task]:
        """What it can learn by itself."""
        return BUILT_IN[self.name].tasks


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known of a family: a line, what brings it, whether it needs labels, what it learns and why it cannot."""

    summary: str
    origin: str
    needs_label: bool = True
    problem: str = ""
    tasks: frozenset[Task] = BINARY

    def learns(self, task: Task) -> bool:
        """Whether models of the task can be trained: a model of several classes is one binary model for each."""
        return task in self.tasks or (task == "multiclass" and "binary" in self.tasks and self.needs_label)


class Families(Mapping[str, Family[Any]]):
    """Name -> family, imported at first use. Raises FamilyError for one that is unknown or cannot be imported.

    Args:
        sources: the built-in families.
        points: of other distributions; one with the name of a built-in family is left out.
    """

    def __init__(self, sources: Mapping[str, Source], points: Mapping[str, EntryPoint] | None = None) -> None:
        self._sources = sources
        self._points = {name: point for name, point in (points or {}).items() if name not in sources}

    def __getitem__(self, name: str) -> Family[Any]:
        if name in self._points:
            return _loaded(self._points[name])
        problem = self.problem(name)
        if problem:
            raise FamilyError(name, problem)
        module, _, attribute = self._sources[name].target.partition(":")
        return cast("Family[Any]", getattr(import_module(module), attribute)())

    def __contains__(self, name: object) -> bool:
        return name in self._sources or name in self._points

    def __iter__(self) -> Iterator[str]:
        yield from self._sources
        yield from self._points

    def __len__(self) -> int:
        return len(self._sources) + len(self._points)

    def problem(self, name: str) -> str:
        """Why a family cannot be used here; empty for one that can. Imports no built-in family."""
        if name not in self:
            return f"is unknown; {nearest_or_all(name, sorted(self))}"
        return self.listing(name).problem

    def listing(self, name: str) -> Listing:
        """What is known of a family. Imports no built-in family. Raises KeyError for one that is unknown."""
        if name in self._points:
            return _listed(self._points[name])
        source = self._sources[name]
        missing = [module for module in source.needs if find_spec(module) is None]
        problem = f"needs {missing[0]}: pip install 'scoreline[{source.extra}]'" if missing else ""
        return Listing(source.summary, source.extra, source.needs_label, problem, source.tasks)

    def learning(self, task: Task) -> list[str]:
        """The families that can learn a task, by name. Imports no built-in family."""
        return [name for name in self if self.listing(name).learns(task)]


def _listed(point: EntryPoint) -> Listing:
    origin = point.dist.name if point.dist else point.value
    try:
        family = _loaded(point)
    except FamilyError as error:
        return Listing(f"from {origin}", origin, problem=error.problem)
    summary = getattr(family, "summary", f"from {origin}")
    needs_label, tasks = getattr(family, "needs_label", True), getattr(family, "tasks", BINARY)
    return Listing(summary, origin, needs_label, tasks=tasks)


def _loaded(point: EntryPoint) -> Family[Any]:
    """The family of an entry point. Raises FamilyError where it cannot be imported, or has another name."""
    try:
        family = cast("Family[Any]", point.load()())
    except (ImportError, AttributeError) as error:
        install = f": pip install '{point.dist.name}{_extras(point)}'" if point.dist and point.extras else ""
        raise FamilyError(point.name, f"cannot be imported from {point.value}: {first_line(error)}{install}") from error
    if family.name != point.name:
        raise FamilyError(point.name, f"is called {family.name!r} by its class: give the entry point the same name")
    return family


def _extras(point: EntryPoint) -> str:
    return f"[{','.join(point.extras)}]"


FAMILIES = Families(BUILT_IN, {point.name: point for point in entry_points(group=GROUP)})
