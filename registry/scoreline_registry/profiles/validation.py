"""Validates the features of a profile against its events and each other; each error is one line. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from scoreline_registry.names import hint
from scoreline_registry.profiles.aggregates import AGGREGATES, SPANS, FeatureKind, FieldKind
from scoreline_registry.profiles.feature import (
    EVENT_FIELD,
    MAX_TILES,
    SINCE_PREVIOUS,
    EventType,
    ProfileFeature,
)
from scoreline_registry.routing.conditions import Condition, Test, tests_of
from scoreline_registry.routing.durations import duration_text, rounded_text

Events = Mapping[str, EventType]

_STORED_NAMES = {span: f"{span}_seconds" for span in (*SPANS, "tile")}


class Problem(NamedTuple):
    """What is wrong, and where."""

    place: tuple[str, ...]
    text: str


def types_of(feature: ProfileFeature, events: Events) -> tuple[str, ...]:
    """The event types that a feature is computed from, sorted; none for one that is derived from other features."""
    if feature.definition.derived:
        return ()
    if feature.events:
        return tuple(sorted(feature.events))
    columns = {feature.field} if feature.field else {*feature.fields} - {SINCE_PREVIOUS}
    return tuple(sorted(name for name, event in events.items() if not columns or columns & {*event.fields}))


def field_kind(field: str, types: Iterable[str], events: Events) -> FieldKind | None:
    """The kind of a field in the first of some event types that has it; None where none has it."""
    kinds = (events[name].fields.get(field) for name in types if name in events)
    return next((kind for kind in kinds if kind is not None), None)


def result_kind(feature: ProfileFeature, events: Events) -> FeatureKind:
    """Whether a feature is a number, a category, a sequence or neighbors."""
    kind = feature.definition.kind
    if kind is not None:
        return kind
    return "number" if field_kind(feature.field or "", types_of(feature, events), events) == "number" else "category"


def profile_errors(events: Events, features: Sequence[ProfileFeature], *, keep_seconds: int) -> list[Problem]:
    """Every error for which a profile must be refused."""
    earlier: dict[str, ProfileFeature] = {}
    names = [feature.name for feature in features]
    problems = []
    for feature in features:
        place = ("features", feature.name)
        if feature.name in earlier:
            problems.append(Problem(("features",), f"duplicate feature {feature.name!r}"))
        problems += [Problem(place, text) for text in _Checks(feature, events, earlier, names).errors()]
        if (feature.span_seconds or 0) > keep_seconds:
            span = rounded_text(feature.span_seconds or 0)
            text = f"{duration_text(keep_seconds)} is shorter than the {span} that {feature.name!r} looks back"
            problems.append(Problem(("keep",), text))
        earlier[feature.name] = feature
    return problems


class _Checks:
    """The checks of one feature, given those before it and the names of all."""

    def __init__(
        self, feature: ProfileFeature, events: Events, earlier: Mapping[str, ProfileFeature], names: Sequence[str]
    ) -> None:
        self._feature, self._events, self._earlier, self._names = feature, events, earlier, names
        self._types = types_of(feature, events)

    def errors(self) -> list[str]:
        """Each error in one line; of those that follow from another, only the first."""
        for check in (self._option_errors, self._type_errors):
            found = list(check())
            if found:
                return found
        checks = (
            self._span_errors,
            self._field_errors,
            self._where_errors,
            self._step_errors,
            self._reference_errors,
            self._default_errors,
        )
        return [error for check in checks for error in check()]

    def _option_errors(self) -> Iterator[str]:
        aggregate, definition = self._feature.aggregate, self._feature.definition
        known = {option for each in AGGREGATES.values() for option in each.options}
        given = {option for option in known if _is_given(self._feature, option)}
        for option in sorted(given - definition.options):
            takes = ", ".join(sorted(definition.options))
            yield f"the aggregate {aggregate!r} has no option {option!r}; it has {takes}"
        for option in definition.needs:
            if option not in given:
                yield f"the aggregate {aggregate!r} needs the option {option!r}"

    def _type_errors(self) -> Iterator[str]:
        for name in self._feature.events:
            if name not in self._events:
                yield f"unknown event type {name!r}; {hint(name, self._events, 'event type')}"
        if not self._types and not self._feature.definition.derived:
            fields = [self._feature.field] if self._feature.field else self._feature.fields
            for field in fields:
                yield f"no event type has the field {field!r}; {hint(str(field), _fields(self._events), 'field')}"

    def _span_errors(self) -> Iterator[str]:
        feature = self._feature
        spans = [span for span in SPANS if _is_given(feature, span)]
        if len(spans) > 1:
            yield f"both {spans[0]!r} and {spans[1]!r} limit how far it looks back: leave one of them out"
        window, tile = feature.window_seconds, feature.tile_seconds
        if (window is None) != (tile is None):
            yield "a tile is the step by which a window moves: write both 'window' and 'tile', or neither"
        elif window is not None and tile is not None:
            yield from _tile_errors(window, tile)

    def _field_errors(self) -> Iterator[str]:
        field = self._feature.field
        if field is None:
            return
        for name in self._types:
            known = self._events[name].fields
            if field not in known:
                yield f"the event type {name!r} has no field {field!r}; {hint(field, known, 'field')}"
            elif known[field] not in self._feature.definition.field:
                wanted = " or ".join(self._feature.definition.field)
                yield (
                    f"the field {field!r} of {name!r} is a {known[field]}; "
                    f"the aggregate {self._feature.aggregate!r} takes a {wanted}"
                )
        yield from self._mixed_kinds([field])

    def _mixed_kinds(self, fields: Iterable[str]) -> Iterator[str]:
        """Fields that are of different kinds in different event types."""
        for field in fields:
            kinds = {self._events[name].fields.get(field) for name in self._types} - {None}
            if len(kinds) > 1:
                either = " and a ".join(sorted(str(kind) for kind in kinds))
                yield f"the field {field!r} is a {either} in different event types: name those to use in `events`"

    def _where_errors(self) -> Iterator[str]:
        condition = self._feature.where_condition
        if condition is None:
            return
        fields = _fields({name: self._events[name] for name in self._types})
        for key in dict.fromkeys(test.key for test in tests_of(condition)):
            if key not in fields:
                yield f"where: none of its event types has the field {key!r}; {hint(key, fields, 'field')}"
        yield from operand_errors("where", condition, fields)

    def _step_errors(self) -> Iterator[str]:
        columns = self._feature.fields
        fields = _fields({name: self._events[name] for name in self._types})
        for column in columns:
            if columns.count(column) > 1:
                yield f"duplicate field {column!r}"
                return
            if column != SINCE_PREVIOUS and column not in fields:
                yield f"none of its event types has the field {column!r}; {hint(column, fields, 'field')}"
            elif fields.get(column) == "entity":
                yield f"the field {column!r} is an entity; steps have numbers and categories"
        yield from self._mixed_kinds(columns)

    def _reference_errors(self) -> Iterator[str]:
        feature = self._feature
        for name in feature.refers_to:
            error = self._reference_error(name)
            if error:
                yield error
        for name in feature.features:
            if name in self._earlier and needs_event(self._earlier[name], self._earlier):
                yield f"{name!r} compares an event at hand, which neighbors do not have"
        if feature.when_condition is not None:
            kinds = {name: result_kind(each, self._events) for name, each in self._earlier.items()}
            facts = {f"{EVENT_FIELD}{name}": kind for name, kind in _fields(self._events).items()}
            yield from operand_errors("when", feature.when_condition, {**kinds, **facts})

    def _reference_error(self, name: str) -> str | None:
        if name.startswith(EVENT_FIELD):
            return self._event_field_error(name)
        if name not in self._earlier:
            return self._unknown_error(name)
        kind = result_kind(self._earlier[name], self._events)
        wanted = ("number", "category") if self._feature.when is not None else ("number",)
        return None if kind in wanted else f"{name!r} is a {kind}; write the name of a {' or '.join(wanted)}"

    def _event_field_error(self, name: str) -> str | None:
        field, fields = name.removeprefix(EVENT_FIELD), _fields(self._events)
        if self._feature.features:
            return f"{name!r} is of the event at hand, which neighbors do not have"
        if field not in fields:
            return f"no event type has the field {field!r}; {hint(field, fields, 'field')}"
        if self._feature.when is None and fields[field] != "number":
            return f"the field {field!r} is a {fields[field]}; write the name of a number"
        return None

    def _unknown_error(self, name: str) -> str:
        if name == self._feature.name:
            return f"{name!r} refers to itself"
        if name in self._names:
            return f"it refers to {name!r}, which is defined after it: move {name!r} above it"
        return (
            f"it refers to {name!r}, which is no feature of this profile; {hint(name, self._earlier, 'feature above')}"
        )

    def _default_errors(self) -> Iterator[str]:
        default, kind = self._feature.default, result_kind(self._feature, self._events)
        if default is not None and isinstance(default, str) == (kind == "number"):
            yield f"default: {default!r} is not a {kind}"


def needs_event(feature: ProfileFeature, by_name: Mapping[str, ProfileFeature]) -> bool:
    """Whether a feature is missing without an event at hand, by itself or by what it is derived from."""
    waiting, seen = [feature], {feature.name}
    while waiting:
        each = waiting.pop()
        if each.definition.at_hand or any(name.startswith(EVENT_FIELD) for name in each.refers_to):
            return True
        waiting += [by_name[name] for name in each.refers_to if name in by_name and name not in seen]
        seen.update(each.refers_to)
    return False


def _is_given(feature: ProfileFeature, option: str) -> bool:
    value = getattr(feature, _STORED_NAMES.get(option, option))
    return value is not None and value not in ((), {})


def _tile_errors(window: int, tile: int) -> Iterator[str]:
    if tile > window:
        yield f"the tile of {duration_text(tile)} is longer than the window of {duration_text(window)}"
    elif window > tile * MAX_TILES:
        least = rounded_text(-(-window // MAX_TILES))
        yield f"a window of {duration_text(window)} has more than {MAX_TILES} tiles: take a tile of at least {least}"


def _fields(events: Events) -> dict[str, FieldKind]:
    """The kind of each field that any of some event types has."""
    return {field: kind for event in events.values() for field, kind in event.fields.items()}


def operand_errors(place: str, condition: Condition, kinds: Mapping[str, str]) -> Iterator[str]:
    """The tests that cannot hold because their operand is of another type than the value.

    ``kinds`` has the kind of each key that is known; ``place`` says where the condition is.
    """
    for test in tests_of(condition):
        kind = kinds.get(test.key)
        if kind is not None and test.operator != "exists" and not _fits(test, is_number=kind == "number"):
            wanted = "numbers" if kind == "number" else "texts"
            yield f"{place}: {test.key} is a {kind}: {test.operator!r} compares it with {wanted} only"


def _fits(test: Test, *, is_number: bool) -> bool:
    operands = [value for _, value in test.operand] if test.operator in ("in", "not_in") else [test.operand]
    return all(not isinstance(value, bool) and isinstance(value, str) != is_number for value in operands)
