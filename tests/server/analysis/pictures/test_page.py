"""The page of a comparison: what it shows, that it needs nothing else, and that names in it are text."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from scoreline_registry.pictures.drawing import Canvas, Picture
from scoreline_registry.pictures.notes import Note
from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_server.analysis.comparison.comparison import Request, compare
from scoreline_server.analysis.comparison.plans import Options, metric_of
from scoreline_server.analysis.pictures.effects import effect_pictures, segment_pictures
from scoreline_server.analysis.pictures.page import comparison_page
from scoreline_server.analysis.pictures.ramps import ramp_pictures
from scoreline_server.analysis.pictures.scores import arm_pictures, shadow_pictures
from scoreline_server.analysis.report.comparison import Comparison
from scoreline_server.analysis.report.parts import RampMove
from scoreline_server.analysis.report.text import tables
from scoreline_server.journal.format.facts import ShadowFacts
from tests.server.analysis.rows import DAY, START, Rows, append_shadows, route_facts, write_outcomes, write_rows

HOSTILE = "<img src=x onerror=alert(1)>$\\frac{1}{$"
CUTS, BANDS = (0.0, 0.4, 0.7), ("low", "middle", "high")
SHADOW = ShadowFacts("net@3", "net", 3, "n", 1_000_000, CUTS, BANDS)


def period(share: int, revision: int, day: int, count: int = 3000) -> Rows:
    """A day's rows of which ``share`` millionths go to the challenger."""
    draws = np.random.default_rng(revision)
    facts = route_facts(
        {"old@1": 1_000_000 - share, "new@2": share}, revision=revision, cuts=CUTS, bands=BANDS, shadows=(SHADOW,)
    )
    return Rows(
        facts, [f"u{revision}-{place}" for place in range(count)], (draws.random(count) < share / 1e6).astype(int),
        START + day * DAY + np.arange(count) * DAY // count, scores=draws.beta(2, 3, count), seed=revision,
        contexts=({"channel": "web"}, {"channel": "branch"}), context_index=draws.integers(0, 2, count),
    )  # fmt: skip


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A ramp of two steps with a shadow, outcomes and segments."""
    folder = tmp_path_factory.mktemp("journal")
    for revision, (share, day) in enumerate(((200_000, 0), (500_000, 4)), start=1):
        rows = period(share, revision, day)
        path = write_rows(folder, rows, name=f"{revision}-1")
        draws = np.random.default_rng(revision + 10)
        shadow = np.clip(np.asarray(rows.scores) + draws.normal(0.03, 0.05, len(rows)), 0, 1)
        append_shadows(path, rows, "net@3", shadow)
        paid = draws.random(len(rows)) < 0.2 + 0.4 * np.asarray(rows.scores) + 0.1 * rows.assigned
        write_outcomes(folder, "paid", paid, ids=rows.call_ids, observed_at=rows.times + DAY, file=f"{revision}-2")
    options = Options(metrics=(metric_of("paid:rate"),), segments=("context.channel",), maturity_days=2)
    moves = tuple(
        RampMove(START + day * DAY, revision, f"ramp: {share} %", (("old@1", 100 - share), ("new@2", share)))
        for revision, day, share in ((1, 0, 20), (2, 4, 50))
    )
    return compare(Request((folder,), "credit", options=options, now=START + 60 * DAY), None, moves)


@pytest.fixture(scope="module")
def page(comparison: Comparison) -> str:
    return comparison_page(comparison)


class Parsed(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def all_pictures(comparison: Comparison) -> list[Picture]:
    found = [*effect_pictures(comparison), *ramp_pictures(comparison), *arm_pictures(comparison)]
    found += segment_pictures(comparison)
    return found + [picture for shadow in comparison.shadows for picture in shadow_pictures(shadow)]


def test_the_page_has_each_kind_of_picture(comparison: Comparison, page: str) -> None:
    for caption in (
        "paid: new@2 less old@1, at each of",
        "The shares of old@1, new@2 in 2 periods of equal shares; the route was changed by revision 1, revision 2.",
        "Scores by arm, as densities",
        "The rate of paid over the score",
        "The effect on paid of new@2 by segment",
        "Scores of the same rows, as densities",
        "net@3 (shadow) less old@1, row by row",
        "Rows by the band of old@1",
        "Swap set at",
    ):
        assert f"<figcaption>{caption}" in page
    assert page.count("<svg") == page.count("<figure>") == len(all_pictures(comparison))


def test_the_page_needs_no_other_file_and_runs_no_script(page: str) -> None:
    parsed = Parsed(page)
    assert not {"script", "link", "iframe", "object", "embed", "form", "img"} & {tag for tag, _ in parsed.tags}
    for _, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    policy = next(a["content"] for tag, a in parsed.tags if tag == "meta" and "http-equiv" in a)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_names_are_text_in_page_and_pictures(comparison: Comparison) -> None:
    effect, arm, shadow = comparison.effects[0], comparison.arms[0], comparison.shadows[0]
    hostile = replace(
        comparison,
        route=HOSTILE,
        notes=(Note("problem", HOSTILE), Note("info", HOSTILE)),
        arms=(replace(arm, arm=HOSTILE), *comparison.arms[1:]),
        effects=(replace(effect, metric=HOSTILE, arm=HOSTILE, baseline=HOSTILE),),
        shadows=(replace(shadow, shadow=HOSTILE, primary=HOSTILE),),
        moves=tuple(replace(move, message=HOSTILE) for move in comparison.moves),
        share_periods=tuple(
            replace(one, shares=tuple((f"{HOSTILE}{name}", share) for name, share in one.shares))
            for one in comparison.share_periods
        ),
    )
    page = comparison_page(hostile)
    parsed = Parsed(page)
    assert "img" not in {tag for tag, _ in parsed.tags}
    assert HOSTILE in parsed.text
    assert "\\frac" in page
    drawn = [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)]
    assert all(HOSTILE in "".join(root.itertext()) for root in drawn if HOSTILE in (root.get("aria-label") or ""))
    assert any(HOSTILE in "".join(root.itertext()) for root in drawn)


def test_problems_stand_before_everything_else(comparison: Comparison) -> None:
    notes = (Note("info", "one"), Note("caution", "two"), Note("problem", "three"))
    noted = replace(comparison, notes=notes, shadows=(), segments=(), arms=())
    text = Parsed(comparison_page(noted)).text
    places = [text.index(f"{severity}: {word}") for severity, word in
              (("problem", "three"), ("caution", "two"), ("info", "one"))]  # fmt: skip
    assert places == sorted(places)
    assert places[-1] < text.index("Effects")


def test_every_figure_of_the_command_stands_on_the_page(comparison: Comparison, page: str) -> None:
    text = Parsed(page).text
    for table in tables(comparison):
        assert table.title in text
        for cell in {cell for row in table.rows for cell in row}:
            assert cell in text


def test_pictures_are_elements_of_their_own(comparison: Comparison) -> None:
    """Well-formed, with text as text, labelled for screen readers, and without names that two of them share."""
    names: list[str] = []
    for picture in all_pictures(comparison):
        root = ET.fromstring(picture.svg)
        assert (root.get("role"), root.get("aria-label")) == ("img", picture.caption)
        assert root.get("height") is None
        found = [element.get("id") or "" for element in root.iter() if element.get("id")]
        used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", picture.svg))
        assert used <= set(found)
        names += found
        assert [element for element in root.iter() if element.tag.endswith("}text")]
    assert len(names) == len(set(names))


def test_the_same_comparison_gives_the_same_page_of_moderate_size(comparison: Comparison, page: str) -> None:
    assert comparison_page(comparison) == page
    assert len(page) < 500_000


def test_drawing_leaves_the_style_of_the_process_alone(comparison: Comparison) -> None:
    from matplotlib import rcParams

    before = dict(rcParams)
    assert len(list(arm_pictures(comparison))) == 2
    with pytest.raises(ZeroDivisionError), Canvas():
        1 / 0  # noqa: B018
    assert dict(rcParams) == before


def test_a_comparison_with_too_few_rows_has_tables_and_no_pictures(comparison: Comparison) -> None:
    few = TooFew(3, 100, "a test")
    effect = replace(comparison.effects[0], sequential=few, relative_sequential=few, absolute=few, looks=())
    bare = replace(
        comparison, effects=(effect,), arms=(), share_periods=(), segments=(), shadows=(), moves=(), sample_ratio=None
    )
    page = comparison_page(bare)
    assert "<svg" not in page
    assert "too few: 3 of 100" in page


def test_open_intervals_are_left_out_of_bars_and_counted(comparison: Comparison) -> None:
    effect = comparison.effects[0]
    assert isinstance(effect.relative_sequential, Estimate)
    open_ended = replace(effect, arm="open", relative_sequential=replace(effect.relative_sequential, high=np.inf))
    pictures = list(effect_pictures(replace(comparison, effects=(effect, open_ended))))
    assert "1 without an interval" in pictures[-1].caption
