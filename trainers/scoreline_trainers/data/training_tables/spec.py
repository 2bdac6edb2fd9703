"""The recipe's key ``data`` as a mapping: which files make the training table, and how."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from scoreline_registry.documents.base import refuse_duplicates
from scoreline_trainers.data.events.cuts import Cuts, Eligible
from scoreline_trainers.data.events.labels import WindowLabel
from scoreline_trainers.data.events.spec import EventLog
from scoreline_trainers.data.profiles.spec import ProfileSource
from scoreline_trainers.data.sources.edges import EdgeSpec
from scoreline_trainers.data.sources.files import FileSpec
from scoreline_trainers.data.sources.joins import JoinSpec, Keep
from scoreline_trainers.data.sources.times import SourceSpec, TimeSpec, Zone

CUT = "cut"
"""The column that holds the moment of each row, where rows are made of cuts."""


class TableSpec(FileSpec, TimeSpec):
    """The file whose rows are the rows of the training table, with the column of their ``time``, if any."""

    time: str | None = None


class EntitySpec(FileSpec):
    """A file of the entities that become rows at each cut, with the column of their ``key``."""

    key: str
    keep: Keep = "refuse"


class GeneratorSpec(SourceSpec):
    """Synthetic tables in place of files: ``scoreline data synth`` writes the same.

    Attributes:
        name: behaviour, spending, churn or guardian.
        customers: how many the tables are about.
        seed: equal seeds give equal tables.
    """

    name: str
    customers: int = Field(default=20_000, ge=1)
    seed: int = Field(default=0, ge=0)


class Sources(SourceSpec):
    """Several files that make one training table.

    Attributes:
        generator: makes synthetic tables, which ``file`` then names.
        table: the file whose rows are trained on; or else
        cuts: the moments at which each entity of the first log, or of ``entities``, becomes a row.
        entities: a file of entities, those without events among them.
        eligible: which entities become rows.
        joins: files whose columns are put beside the rows, in order: a later one may use columns of an earlier one.
        events: event logs.
        profiles: profiles whose features are put beside the rows, as of their times.
        edges: a graph between the rows, as the column of ``neighbors``.
        observe_days: nothing further back than that is read of the logs.
        label: what happens after the cut.
        time_zone: of times without an offset, and where days and months begin.
    """

    generator: GeneratorSpec | None = None
    table: TableSpec | None = None
    cuts: Cuts | None = None
    entities: EntitySpec | None = None
    eligible: Eligible | None = None
    joins: tuple[JoinSpec, ...] = ()
    events: tuple[EventLog, ...] = ()
    profiles: tuple[ProfileSource, ...] = ()
    edges: EdgeSpec | None = None
    observe_days: float | None = Field(default=None, gt=0)
    label: WindowLabel | None = None
    time_zone: Zone = "UTC"

    @model_validator(mode="before")
    @classmethod
    def _one_or_several(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        return {**given, **{key: (given[key],) for key in ("events", "profiles") if isinstance(given.get(key), dict)}}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.table is None) == (self.cuts is None):
            raise ValueError("give either 'table', whose rows are trained on, or 'cuts', which make rows of 'events'")
        if self.table is not None and (self.entities is not None or self.eligible is not None):
            raise ValueError("'entities' and 'eligible' go with 'cuts'")
        needing = [name for name in ("cuts", "label", "observe_days") if getattr(self, name) is not None]
        if needing and not self.events:
            raise ValueError(f"'{needing[0]}' needs 'events'")
        timed = next((name for name in ("events", "profiles") if getattr(self, name)), None)
        if self.table is not None and timed is not None and self.table.time is None:
            raise ValueError(f"'{timed}' need the 'time' of the table's rows: name its column in 'table'")
        names = [log.name for log in self.events]
        if len(names) > 1 and "" in names:
            raise ValueError("each of several 'events' needs a 'name'")
        refuse_duplicates("log", names)
        if self.label is not None and self.label.log and self.label.log not in names:
            raise ValueError(f"the label's log {self.label.log!r} is none of the events: {', '.join(names)}")
        if self.cuts is not None and self.cuts.after_events and self.entities is not None:
            raise ValueError("cuts after events need no 'entities'")
        return self

    @model_serializer(mode="wrap")
    def _without_profiles(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Sources without profiles keep the digest that they had before there were any."""
        return {name: value for name, value in serialize(self).items() if value or name != "profiles"}

    @property
    def files(self) -> tuple[str, ...]:
        """The files as the recipe names them."""
        of_profiles = (file for profile in self.profiles for file in profile.events)
        specs = (self.table, self.entities, *self.events, *of_profiles, *self.joins, self.edges)
        return tuple(dict.fromkeys(spec.file for spec in specs if spec is not None))

    @property
    def entity(self) -> str | None:
        """The column of the entity where rows are made of cuts."""
        if self.cuts is None:
            return None
        return self.entities.key if self.entities is not None else self.events[0].entity

    @property
    def label_log(self) -> str:
        """The name of the log that the label is of."""
        return "" if self.label is None else self.label.log or self.events[0].name

    @property
    def steps(self) -> tuple[str, ...]:
        """The columns of lists."""
        return tuple(name for log in self.events if log.steps is not None for name in log.steps.names(log.name))

    @property
    def step_categories(self) -> tuple[str, ...]:
        """The columns of lists that hold names."""
        stepped = ((log.steps, log.name) for log in self.events if log.steps is not None)
        return tuple(name for steps, prefix in stepped for name in steps.category_names(prefix))

    def roles(self) -> Mapping[str, Any]:
        """The keys of a recipe that follow from this: label, positive, time, unit, task, horizons, sequence."""
        found: dict[str, Any] = {}
        if self.label is not None:
            found |= {"label": self.label.columns[-1]}
            found |= {} if self.label.task == "binary" else {"task": self.label.task}
            found |= (
                {"positive": max(self.label.classes, key=self.label.classes.__getitem__)} if self.label.classes else {}
            )
            found |= {"horizons": list(self.label.columns)} if len(self.label.columns) > 1 else {}
        if self.entity is not None:
            found |= {"time": CUT, "unit": self.entity}
        elif self.table is not None and self.table.time is not None:
            found |= {"time": self.table.time}
        if self.steps:
            found |= {"sequence": {"lists": list(self.steps), "categories": list(self.step_categories)}}
        return found
