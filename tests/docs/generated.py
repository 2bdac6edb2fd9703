"""The pages of the reference that are written by code: ``make reference`` writes them, a test compares them.

The command line comes from click's own objects, the options of model families from their pydantic classes, the JSON of
comparisons from its dataclasses, the aggregates of profiles from their table.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from scoreline.cli.app import scoreline
from scoreline.cli.commands import COMMANDS, GROUPS
from scoreline.cli.lazy import LazyCommand
from scoreline_registry.profiles.aggregates import AGGREGATES, Aggregate
from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_server.analysis.report.comparison import Comparison
from scoreline_server.analysis.report.document import MAPPINGS, TIMES
from scoreline_trainers.families import BUILT_IN, FAMILIES
from scoreline_trainers.family import FamilyConfig, LibraryConfig
from tests.docs.pages import ROOT

_LIBRARIES: Mapping[str, str] = {
    "lightgbm": "LightGBM",
    "xgboost": "XGBoost",
    "catboost": "CatBoost",
    "logistic": "`sklearn.linear_model.LogisticRegression`",
    "random_forest": "`sklearn.ensemble.RandomForestClassifier`",
    "isolation_forest": "`sklearn.ensemble.IsolationForest`",
}
"""The families of one library each, whose options are that library's unless their meaning says otherwise."""


_FAMILIES_HEAD = """# Options of model families

What may stand under `config` in a [recipe](recipes.md). An option that is left out has its default; one that is not
listed is refused. What each family is good for is in [model families](families.md).

This page is generated from the code by `make reference`.
"""
_COMPARISON_HEAD = """# A comparison as JSON

What `scoreline compare ROUTE --json`, `GetComparison` and `client.get_comparison` return: one object, the `Comparison`,
with `schema_version` 1. Fields may be added to a version; one that changes its meaning or goes needs the next.

- Times are ISO 8601 in UTC. A number that is not finite, such as an open end of an interval, is null.
- A figure is an object with `kind`: `estimate` (an `Estimate`) or `too_few` (a `TooFew`): too few rows are an answer.
- Lists of pairs by arm, version, metric or outcome are objects: `shares`, `exposures`, `expected`, `observed`,
  `versions`, `weights`, `auc_difference`, `outcome_rates`. A `MetricValue` also has `coverage`: labelled over mature
  units.

How to read a report is in [Compare arms and shadows](../guides/comparison.md).

This page is generated from the code by `make reference`.
"""
_AGGREGATES_HEAD = """# Aggregates of profiles

What a feature of a [profile](../guides/profiles.md) can be. `events` and `where` choose the events that count; without
`events`, all types that have the named fields. `window` (with `tile`), `session` and `half_life` say how far back it
looks, of which a feature has at most one; without them it looks back to the entity's first event. `default` replaces a
missing value. The aggregates of the event at hand are missing where a call has none.

This page is generated from the code by `make reference`.
"""
_COMMANDS_HEAD = """# The command line

`scoreline COMMAND --help` shows the same in a terminal. Exit codes: 0 done, 1 failed (one line says why and what to
do), 2 bad usage. `--debug`, or `SCORELINE_DEBUG=1`, shows the traceback of a failure.

This page is generated from the code by `make reference`.
"""


def families_page() -> str:
    """Every option of every family: type, default, the library's name and the meaning."""
    sections = [f"## {name}\n\n{_sentence(source.summary)}\n\n{_options(name)}" for name, source in BUILT_IN.items()]
    return "\n".join([_FAMILIES_HEAD, *sections])


def commands_page() -> str:
    """Every command with its arguments and options."""
    parts = [_COMMANDS_HEAD]
    for title, commands in GROUPS.items():
        lines = [f"| [`{name}`](#scoreline-{name}) | {spec.help} |" for name, spec in commands.items()]
        parts.append(f"{title}:\n\n| command | what it does |\n|---|---|\n" + "\n".join(lines) + "\n")
    root = click.Context(scoreline, info_name="scoreline")
    for name in COMMANDS:
        parts += _command(_loaded(root, name), root, name)
    return "\n".join(parts)


def comparison_page() -> str:
    """Every object of a comparison's JSON document with its fields."""
    return "\n".join([_COMPARISON_HEAD, *(_object(kind) for kind in _objects(Comparison))])


def aggregates_page() -> str:
    """Every aggregate of a profile: what it takes, its meaning, and its value without events."""
    plain = {name: each for name, each in AGGREGATES.items() if not (each.at_hand or each.derived)}
    at_hand = {name: each for name, each in AGGREGATES.items() if each.at_hand}
    derived = {name: each for name, each in AGGREGATES.items() if each.derived}
    sections = {"Of past events": plain, "Of the event at hand": at_hand, "Of other features": derived}
    return "\n".join([_AGGREGATES_HEAD, *(_aggregates(title, group) for title, group in sections.items())])


def _aggregates(title: str, group: Mapping[str, Aggregate]) -> str:
    head = f"## {title}\n\n| aggregate | meaning | field | needs | takes | without events |\n|---|---|---|---|---|---|"
    return "\n".join([head, *(_aggregate(name, each) for name, each in group.items()), ""])


def _aggregate(name: str, aggregate: Aggregate) -> str:
    needs = aggregate.needs
    takes = [option for option in (*aggregate.takes, "default") if option in aggregate.options and option not in needs]
    columns = [
        aggregate.meaning,
        " or ".join(aggregate.field),
        *(", ".join(f"`{o}`" for o in each) for each in (needs, takes)),
    ]
    return f"| `{name}` | {' | '.join(columns)} | {aggregate.empty} |"


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/aggregates.md": aggregates_page,
    "docs/reference/family-options.md": families_page,
    "docs/reference/cli.md": commands_page,
    "docs/reference/comparison.md": comparison_page,
}


def _objects(kind: type) -> list[type]:
    """A dataclass and those of its fields, each once, the outer ones first."""
    found: dict[type, None] = {kind: None}
    for one in (queue := [kind]):
        for hint in get_type_hints(one).values():
            inner: list[type] = [each for each in _leaves(hint) if hasattr(each, "__dataclass_fields__")]
            inner = [each for each in inner if each not in found]
            found |= dict.fromkeys(inner)
            queue += inner
    return list(found)


def _leaves(hint: Any) -> list[type]:
    """The types that a type is made of."""
    inner = [each for each in get_args(hint) if each is not Ellipsis]
    return [leaf for each in inner for leaf in _leaves(each)] if inner else [hint]


_JSON_TYPES: Mapping[type, str] = {int: "number", float: "number", str: "text", bool: "true or false"}


def _json_type(hint: Any, name: str = "") -> str:
    """A field's type as JSON has it."""
    if name in TIMES:
        return "time or null" if get_args(hint) else "time"
    if name in MAPPINGS and get_origin(hint) is tuple:
        return f"object of {_json_type(get_args(get_args(hint)[0])[1])}"
    if get_origin(hint) is tuple:
        return f"list of {_json_type(get_args(hint)[0])}"
    if get_origin(hint) is Literal:
        return " or ".join(f"`{each}`" for each in get_args(hint))
    inner = [each for each in get_args(hint) if each is not NoneType]
    if {Estimate, TooFew} <= set(inner):
        return "figure"
    if inner:
        return " or null".join([*map(_json_type, inner), ""])
    return _JSON_TYPES.get(hint) or str(hint.__name__)


def _object(kind: type) -> str:
    """One object: the first words of its docstring and its fields with their meanings."""
    text = inspect.getdoc(kind) or ""
    summary, _, described = text.partition("Attributes:")
    meanings = dict(re.findall(r"^    ([\w, ]+): (.+(?:\n {8}.+)*)", described, re.MULTILINE))
    meanings = {name: " ".join(meaning.split()) for names, meaning in meanings.items() for name in names.split(", ")}
    hints = get_type_hints(kind)
    types = {field.name: _json_type(hints[field.name], field.name) for field in fields(kind)}
    rows = [f"| `{name}` | {written} | {meanings.get(name, '')} |" for name, written in types.items()]
    body = "\n".join(["| field | type | meaning |", "|---|---|---|", *rows])
    return f"## {kind.__name__}\n\n{' '.join(summary.split())}\n\n{body}\n"


def _options(family: str) -> str:
    config = FAMILIES[family].config_type
    meanings = _meanings(config)
    library = _LIBRARIES.get(family, "")
    rows = []
    others = {option: _other_names(config, option) for option in config.model_fields}
    for option, field in _own_first(config).items():
        cells = [f"`{option}`", _type(field), _default(field)]
        if any(others.values()):
            cells.append(others[option])
        meaning = meanings.get(option) or (f"as in {library}" if library else "")
        rows.append("| " + " | ".join([*cells, _sentence(meaning)]) + " |")
    titles = ["option", "type", "default", *(["also written"] if any(others.values()) else []), "meaning"]
    return "\n".join(["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|", *rows, "", *_searched(config)])


def _searched(config: type[FamilyConfig]) -> list[str]:
    """What a search tries, where the family declares a space."""
    tried = "; ".join(f"`{option}` {dimension}" for option, dimension in config.space.items())
    return [f"A [search](recipes.md#search) tries {tried}.", ""] if tried else []


def _own_first(config: type[FamilyConfig]) -> dict[str, FieldInfo]:
    """The options that the class itself declares, then those of its bases, each in order."""
    fields = config.model_fields
    own = [name for name in config.__annotations__ if name in fields]
    return {name: fields[name] for name in [*own, *(name for name in fields if name not in own)]}


def _other_names(config: type[FamilyConfig], option: str) -> str:
    aliases = config.aliases if issubclass(config, LibraryConfig) else {}
    names = [name for name, target in aliases.items() if target == option]
    choices = config.model_fields[option].validation_alias
    names += [str(name) for name in choices.choices if name != option] if isinstance(choices, AliasChoices) else []
    return ", ".join(f"`{name}`" for name in names)


def _meanings(config: type) -> dict[str, str]:
    """Option -> meaning, from the "Attributes" of the docstrings; a subclass's text counts before its base's."""
    found: dict[str, str] = {}
    for base in reversed(config.__mro__):
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "").partition("Attributes:\n")[2]
        for names, meaning in re.findall(r"^    ([\w, ]+): (.*(?:\n     +.*)*)", text, re.MULTILINE):
            plain = " ".join(meaning.split()).replace("``", "`").replace("|", "\\|")
            found.update(dict.fromkeys((name.strip() for name in names.split(",")), plain))
    return found


def _type(field: FieldInfo) -> str:
    limits = [_limit(item) for item in field.metadata]
    return ", ".join([_plain(field.annotation), *(limit for limit in limits if limit)])


def _plain(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in {Union, UnionType}:
        return " or ".join("null" if part is NoneType else _plain(part) for part in arguments)
    if origin is tuple:
        return f"list of {_plain(arguments[0])}s".replace("texts", "text")
    if origin is dict:
        return "mapping"
    if hasattr(annotation, "__metadata__"):
        return _plain(arguments[0])
    simple = {int: "whole number", float: "number", bool: "true or false", str: "text"}
    return simple.get(annotation) or "mapping"


def _limit(item: Any) -> str:
    signs = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    found = [f"{words} {getattr(item, sign)}" for sign, words in signs.items() if getattr(item, sign, None) is not None]
    return found[0] if found else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    shown = {None: "null", True: "true", False: "false", (): "[]"}
    if isinstance(value, bool | None):
        return f"`{shown[value]}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def _loaded(context: click.Context, name: str) -> click.Command:
    command = scoreline.get_command(context, name)
    if not isinstance(command, LazyCommand):
        raise TypeError(f"{name} is none of our commands")
    return command.load()


def _command(command: click.Command, parent: click.Context, name: str) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"{'#' * _depth(context)} {context.command_path}\n", _paragraphs(command), f"```text\n{usage}\n```\n"]
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found:
                parts += _command(found.load() if isinstance(found, LazyCommand) else found, context, child)
        return parts
    rows = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    if rows:
        lines = [f"| `{_cell(option)}` | {_cell(text)} |" for option, text in rows]
        parts.append("| option | meaning |\n|---|---|\n" + "\n".join(lines) + "\n")
    return parts


def _depth(context: click.Context) -> int:
    return len(context.command_path.split())


def _paragraphs(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or command.short_help or "")
    parts = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("\b"):
            parts.append("```text\n" + paragraph.lstrip("\b\n") + "\n```")
        else:
            parts.append(" ".join(paragraph.split()))
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


if __name__ == "__main__":
    for path, made in PAGES.items():
        (ROOT / path).write_text(made(), encoding="utf-8")
