"""What the inputs contribute to the score: ranking, summary, dependence, interactions and single rows."""

from functools import partial

from scoreline_trainers.explanation.document import Explanation
from scoreline_trainers.reporting.blocks import Block, Pictures, Section, Table, Text
from scoreline_trainers.reporting.document import VersionReport
from scoreline_trainers.reporting.pictures import contributions
from scoreline_trainers.reporting.text import number, percent

MAX_RANKED = 40
MAX_PICTURES = 6


def explanation(report: VersionReport) -> Section:
    """The section of a version that was explained."""
    found = report.explanation
    if found is None or not found.ranking:
        return Section("Explanation", ())
    blocks: list[Block] = [Text(_method(found)), _ranking(found)]
    drawings = [partial(contributions.ranking, found)]
    if found.summary:
        drawings.append(partial(contributions.summary, found.summary, found.link))
    blocks.append(Pictures(tuple(drawings)))
    if found.dependence:
        parts = tuple(partial(contributions.dependence, each, found.link) for each in found.dependence[:MAX_PICTURES])
        blocks.append(Pictures(parts))
    if found.interactions:
        blocks.append(_interactions(found))
    if found.waterfalls:
        rows = tuple(partial(contributions.waterfall, each, found.link) for each in found.waterfalls[:MAX_PICTURES])
        blocks.append(Pictures(rows))
    return Section("Explanation", tuple(blocks))


def _method(found: Explanation) -> str:
    error = "" if found.exact else f", with a standard error of {found.standard_error:.2g} for one contribution"
    return (
        f"Shapley values of the score's {_unit(found)} against {found.reference.population:,} rows of training, "
        f"{found.method}{error}, of {found.rows:,} rows that the model was not trained on. They describe the model, "
        "not causes: inputs that go together share what they contribute."
    )


def _unit(found: Explanation) -> str:
    return "log odds" if found.link == "log odds" else "value"


def _ranking(found: Explanation) -> Table:
    rows = []
    for place, each in enumerate(found.ranking[:MAX_RANKED], start=1):
        spread = "" if each.low is None or each.high is None else f" ({number(each.low)} to {number(each.high)})"
        direction = "-" if each.direction is None else f"{each.direction:+.2f}"
        rows.append((str(place), each.name, f"{number(each.importance)}{spread}", percent(each.share), direction))
    columns = ("", "input", f"mean contribution in {_unit(found)}", "share", "direction")
    return Table("What the score depends on", columns, tuple(rows))


def _interactions(found: Explanation) -> Table:
    rows = tuple((f"{each.first} and {each.second}", number(each.strength)) for each in found.interactions)
    return Table("Inputs that matter together", ("inputs", "strength"), rows, detail=True)
