"""Recipes: one YAML file that describes how a model is trained."""

import json
import os
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from scoreline_registry.errors import InvalidError, InvalidNameError
from scoreline_registry.names import ModelRef, check_name
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_registry.strict_yaml import read_yaml
from scoreline_trainers.calibration import Calibration
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.sources.files import unset_variable
from scoreline_trainers.data.splits import Validation
from scoreline_trainers.engineering import Entry
from scoreline_trainers.errors import RecipeError
from scoreline_trainers.evaluation.bands.cut_offs import RateBands
from scoreline_trainers.evaluation.bands.score_range import check_bands
from scoreline_trainers.evaluation.costs import Costs
from scoreline_trainers.evaluation.requirements import check_requirement
from scoreline_trainers.evaluation.spec import EvaluateSpec
from scoreline_trainers.evaluation.tasks import TASK_METRICS
from scoreline_trainers.explanation.reasons import ReasonSpec
from scoreline_trainers.explanation.version_files import ExplainSpec
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.family import FamilyConfig, nested_families
from scoreline_trainers.problems import nearest_or_all, problems_of
from scoreline_trainers.training.recipe.data import Data
from scoreline_trainers.training.recipe.score import ScoreSpec
from scoreline_trainers.training.recipe.shorthand import expanded
from scoreline_trainers.training.retraining.rule import RetrainRule
from scoreline_trainers.training.search.spec import Search
from scoreline_trainers.training.selection.spec import Selection


class Recipe(Columns):
    """A recipe as written.

    Attributes:
        name: the model's name in the registry.
        intended_use: what the score is for, in words, for the report.
        limits: what it is not good for, in words, for the report.
        data: a CSV or Parquet file, relative to the recipe, with ``${NAME}`` for environment variables; a generator; or
            several files that make one table.
        engineered: columns that are computed in the model's graph, see ``scoreline_trainers.engineering``.
        keep: which raw inputs the family gets beside them; see ``kept``.
        calibration: what bends the score into a probability, by its method alone or with its options.
        family: one of FAMILIES.
        config: the family's options.
        explain: what the version's explanation is made from, see ``ExplainSpec``.
        reasons: which rows the reasons of a score compare with, see ``ReasonSpec``.
        seed: of everything that is drawn.
        select: how features are selected; "auto" for the smallest set that does as well.
        search: how the options are searched for, and the family.
        warm_start: a published version of the same family that training continues from, such as "credit@champion".
        metrics: of the validation rows; by default all of the task's, see ``measures``.
        costs: of decisions, for the best cut.
        evaluate: what the evaluation shows beside the metrics.
        require: figures that a version must reach to be published, see ``evaluation.requirements``.
        retrain: when `scoreline retrain` trains the version again, and how the challenger is compared.
        route: a route to apply once the version is published.
    """

    name: str
    description: str = ""
    intended_use: str = ""
    limits: tuple[str, ...] = ()
    data: Data
    engineered: tuple[Entry, ...] = ()
    keep: tuple[Literal["features", "sequence"], ...] | None = None
    calibration: Calibration | None = None
    family: str
    config: dict[str, Any] = Field(default_factory=dict)
    validation: Validation = Validation()
    explain: ExplainSpec = ExplainSpec()
    reasons: ReasonSpec = ReasonSpec()
    seed: int = Field(default=0, ge=0)
    select: Selection | None = None
    search: Search | None = None
    warm_start: str | None = None
    metrics: tuple[str, ...] = ()
    score: ScoreSpec = ScoreSpec()
    costs: Costs | None = None
    evaluate: EvaluateSpec = EvaluateSpec()
    require: dict[str, float] = Field(default_factory=dict)
    retrain: RetrainRule | None = None
    route: dict[str, Any] | None = None

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        try:
            return check_name("model", name)
        except InvalidNameError as error:
            raise ValueError(str(error)) from error

    @field_validator("metrics")
    @classmethod
    def _are_metrics(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = TASK_METRICS[info.data.get("task", "binary")]
        for name in names:
            if name not in known:
                raise ValueError(f"{name!r} is no metric; {nearest_or_all(name, known)}")
        return names

    @field_validator("require")
    @classmethod
    def _can_be_required(cls, limits: dict[str, float]) -> dict[str, float]:
        return {check_requirement(name): limit for name, limit in limits.items()}

    @model_validator(mode="after")
    def _can_be_evaluated(self) -> Self:
        if self.task == "regression" and (self.costs is not None or self.evaluate.fairness):
            raise ValueError("'costs' and 'evaluate.fairness' are of decisions at a cut: a regression has none")
        if self.evaluate.lead_time is None:
            return self
        if self.sequence is None:
            raise ValueError("'evaluate.lead_time' needs a 'sequence'")
        if self.validation.is_folded and self.validation.test is None:
            raise ValueError("'evaluate.lead_time' needs rows that the published model has not seen: add 'test: 0.2'")
        return self

    @field_validator("warm_start")
    @classmethod
    def _is_a_version(cls, reference: str | None) -> str | None:
        if reference is not None:
            try:
                ModelRef.parse(reference)
            except InvalidNameError as error:
                raise ValueError(str(error)) from error
        return reference

    @model_validator(mode="after")
    def _needs_probabilities(self) -> Self:
        if self.task == "regression" and self.calibration is not None:
            raise ValueError("'calibration' makes probabilities of scores: a regression has none")
        if self.task == "regression" and isinstance(self.score.bands, RateBands):
            raise ValueError("'score.bands' by rates need labels of 0 and 1: give cut-offs or shares")
        return self

    @model_validator(mode="after")
    def _near_a_band(self) -> Self:
        near, bands = self.reasons.near, self.score.band_names
        if isinstance(near, str) and near not in bands:
            raise ValueError(f"'reasons.near': there is no band {near!r}; {nearest_or_all(near, bands)}")
        return self

    @model_serializer(mode="wrap")
    def _without_usual(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Recipes as run with the usual reasons stay as earlier releases read them."""
        usual = self.reasons == ReasonSpec()
        return {name: value for name, value in serialize(self).items() if name != "reasons" or not usual}

    @model_validator(mode="after")
    def _from_nothing(self) -> Self:
        for key in ("select", "search"):
            if self.warm_start is not None and getattr(self, key) is not None:
                raise ValueError(f"{key!r} trains from scratch and does not go with 'warm_start'")
        return self

    @field_validator("select", mode="before")
    @classmethod
    def _by_itself(cls, select: object) -> object:
        return {} if select == "auto" else select

    @field_validator("calibration", mode="before")
    @classmethod
    def _by_method(cls, calibration: object) -> object:
        return {"method": calibration} if isinstance(calibration, str) else calibration

    @model_validator(mode="after")
    def _keeps_beside(self) -> Self:
        if self.keep is not None and not self.engineered:
            raise ValueError("'keep' goes with 'engineered'")
        return self

    @property
    def kept(self) -> frozenset[str]:
        """The raw inputs that the family gets.

        By default features, and the sequence unless columns are computed from it.
        """
        if self.keep is not None:
            return frozenset(self.keep)
        over_steps = any(entry.over_steps for entry in self.engineered)
        return frozenset({"features"} if over_steps else {"features", "sequence"})

    @field_validator("score")
    @classmethod
    def _is_a_contract(cls, score: ScoreSpec, info: ValidationInfo) -> ScoreSpec:
        check_bands(score.contract(task=info.data.get("task", "binary")))
        return score

    @classmethod
    def parse(cls, document: object, *, source: str = "recipe") -> Self:
        """Reads a recipe from the mapping that its YAML holds. Raises RecipeError with every problem."""
        if not isinstance(document, Mapping):
            raise RecipeError(source, ["it is not a mapping of keys to values"])
        try:
            # JSON is what strict validation can take a list for a tuple from.
            recipe = cls.model_validate_json(json.dumps(expanded(document), default=str))
        except ValidationError as error:
            raise RecipeError(source, problems_of(error, cls)) from error
        recipe.family_config(source=source)
        recipe.route_spec(source=source)
        recipe.check_task(source=source)
        if recipe.label is None and (needing := recipe.label_needed_by()):
            raise RecipeError(source, [f"label: is missing, and {', '.join(needing)} cannot do without"])
        return recipe

    @classmethod
    def load(cls, path: Path | Traversable) -> Self:
        """Reads a recipe file. Raises RecipeError."""
        try:
            document = read_yaml(path.read_text(encoding="utf-8"), source=path.name)
        except OSError as error:
            raise RecipeError(str(path), [error.strerror or "it cannot be read"]) from error
        except UnicodeDecodeError as error:
            raise RecipeError(path.name, [f"it is not YAML: {error}"]) from error
        except InvalidError as error:
            raise RecipeError(path.name, error.problems) from error
        return cls.parse(document, source=path.name)

    def family_config(self, *, source: str = "recipe") -> Any:
        """The family's options, checked. Raises RecipeError, and FamilyError for one that is not installed."""
        config_type = FAMILIES[self.family].config_type
        try:
            return config_type.model_validate_json(json.dumps(self.config))
        except ValidationError as error:
            problems = [f"config: {problem}" for problem in problems_of(error, config_type, listing=True)]
            raise RecipeError(source, problems) from error

    def check_task(self, *, source: str = "recipe") -> None:
        """Raises RecipeError where the family, or one of its members, cannot learn the task."""
        config: FamilyConfig = self.family_config(source=source)
        for family in (self.family, *nested_families(config)):
            if not FAMILIES.listing(family).learns(self.task):
                able = ", ".join(FAMILIES.learning(self.task))
                raise RecipeError(source, [f"family {family!r} does not learn the task {self.task}; these do: {able}"])

    def with_defaults(self) -> dict[str, Any]:
        """The recipe as it runs, every option with its value: what ``parse`` reads back as an equal recipe."""
        config = self.family_config().model_dump(mode="json")
        return {**self.model_dump(mode="json"), "metrics": list(self.measures), "config": config}

    @property
    def measures(self) -> tuple[str, ...]:
        """The metrics of the validation rows."""
        return self.metrics or tuple(TASK_METRICS[self.task])

    def label_needed_by(self) -> list[str]:
        """The parts of the recipe that need a label."""
        needing = [f"family {self.family!r}"] if FAMILIES.listing(self.family).needs_label else []
        needing += ["calibration"] if self.calibration is not None else []
        needing += ["score.bands by rates"] if isinstance(self.score.bands, RateBands) else []
        needing += [key for key in ("costs", "require") if getattr(self, key)]
        return needing

    def route_spec(self, *, source: str = "recipe") -> RouteSpec | None:
        """The route, checked. Raises RecipeError."""
        if self.route is None:
            return None
        try:
            return RouteSpec.model_validate(self.route)
        except ValidationError as error:
            raise RecipeError(source, [f"route: {problem}" for problem in problems_of(error, RouteSpec)]) from error

    def data_path(self, folder: Path) -> Path:
        """Where ``data`` is, relative to the recipe's ``folder``. Raises RecipeError for an unset variable."""
        text = str(self.data)
        if (variable := unset_variable(text)) is not None:
            raise RecipeError(self.name, [f"its data is {text}: set {variable} or pass the file with --data"])
        return folder / Path(os.path.expandvars(text)).expanduser()
