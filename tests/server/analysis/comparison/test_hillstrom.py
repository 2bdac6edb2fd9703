"""A real randomised campaign: figures published for Hillstrom's e-mail data, from a journal and its outcomes."""

import csv
import gzip
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from scoreline_registry.statistics.figures import Estimate, Figure
from scoreline_server.analysis.commands import compare as compare_command
from scoreline_server.analysis.comparison.comparison import Request, compare
from scoreline_server.analysis.comparison.plans import Options, metric_of
from scoreline_server.analysis.pictures.effects import effect_pictures
from scoreline_server.analysis.report.comparison import Comparison
from tests.docs.pages import ROOT
from tests.server.analysis.rows import DAY, START, Rows, route_facts, write_outcomes, write_rows

ARMS = {"No E-Mail": "none@1", "Mens E-Mail": "mens@1", "Womens E-Mail": "womens@1"}
METRICS = ("visit:rate", "conversion:rate", "spend:mean")
SHARES = {"none@1": 333_334, "mens@1": 333_333, "womens@1": 333_333}


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The campaign as a journal with its outcomes."""
    if not os.environ.get("SCORELINE_DATA"):
        pytest.skip("SCORELINE_DATA does not name the folder of real data sets")
    with gzip.open(Path(os.environ["SCORELINE_DATA"]) / "hillstrom" / "hillstrom.csv.gz", "rt") as file:
        table = list(csv.DictReader(file))
    folder = tmp_path_factory.mktemp("journal")
    arms = list(ARMS)
    rows = Rows(
        route_facts(SHARES, name="mail", numbers=("history",)),
        [f"customer-{place}" for place in range(len(table))],
        np.array([arms.index(row["segment"]) for row in table]),
        START + np.arange(len(table)) * 10**9,
        numbers=np.array([[float(row["history"])] for row in table]),
    )
    write_rows(folder, rows)
    for place, name in enumerate(("visit", "conversion", "spend")):
        values = np.array([float(row[name]) for row in table])
        write_outcomes(folder, name, values, ids=rows.call_ids, route="mail", file=f"{place}-outcomes")
    return folder


@pytest.fixture(scope="module")
def comparison(journal: Path) -> Comparison:
    options = Options(metrics=tuple(map(metric_of, METRICS)), covariate="feature.history")
    return compare(Request((journal,), "mail", options=options, now=START + 400 * DAY))


def estimate(figure: Figure) -> Estimate:
    assert isinstance(figure, Estimate)
    return figure


def test_the_arms_hold_the_published_counts_and_values(comparison: Comparison) -> None:
    values = {
        arm.arm: (arm.exposures, *(round(estimate(metric.value).value * arm.exposures, 3) for metric in arm.metrics))
        for arm in comparison.arms
    }
    assert {arm: figures[:3] for arm, figures in values.items()} == {
        "none@1": (21306, 2262, 122), "mens@1": (21307, 3894, 267), "womens@1": (21387, 3238, 189),
    }  # fmt: skip
    means = [estimate(arm.metrics[2].value).value for arm in comparison.arms]
    assert means == pytest.approx([0.652789, 1.422617, 1.077202], abs=5e-7)


def test_effects_equal_the_published_ones_to_the_printed_digits(comparison: Comparison) -> None:
    effects = {(effect.metric, effect.arm): effect for effect in comparison.effects}
    visit, conversion, spend = (effects[name, "mens@1"] for name in ("visit", "conversion", "spend"))
    absolute, sequential = estimate(visit.absolute), estimate(visit.sequential)
    assert (absolute.value, absolute.low, absolute.high) == pytest.approx((0.076590, 0.069953, 0.083226), abs=5e-7)
    assert (sequential.low, sequential.high) == pytest.approx((0.065685, 0.087494), abs=5e-7)
    assert sequential.p == pytest.approx(2.7e-109, rel=0.02)
    found = estimate(conversion.sequential)
    assert (found.value, found.low, found.high) == pytest.approx((0.006805, 0.003839, 0.009771), abs=5e-7)
    assert found.p == pytest.approx(1.7e-11, rel=0.02)
    found = estimate(spend.sequential)
    assert (found.value, found.low, found.high) == pytest.approx((0.769827, 0.302066, 1.237589), abs=5e-7)
    assert found.p == pytest.approx(8.1e-6, rel=0.02)
    assert {effect.verdict for effect in comparison.effects} == {"better"}


def test_cuped_says_that_the_covariate_is_no_gain(comparison: Comparison) -> None:
    spend = {effect.arm: effect.cuped for effect in comparison.effects if effect.metric == "spend"}
    mens, womens = spend["mens@1"], spend["womens@1"]
    assert mens is not None
    assert womens is not None
    assert (mens.theta, womens.theta) == pytest.approx((0.0012229, 0.00103465), abs=5e-8)
    assert (mens.variance_reduction, womens.variance_reduction) == pytest.approx((0.00043, 0.00038), abs=5e-6)
    assert not mens.gains
    assert not womens.gains
    assert sum("no gain" in note.text for note in comparison.notes) == len(comparison.effects)


def test_the_split_is_sound(comparison: Comparison) -> None:
    assert comparison.sample_ratio is not None
    assert estimate(comparison.sample_ratio.fixed).p == pytest.approx(0.90369, abs=1e-4)
    assert not comparison.sample_ratio.mismatch
    assert not [note for note in comparison.notes if note.severity == "problem"]


def test_the_guide_shows_what_the_command_prints(journal: Path) -> None:
    arguments = ["mail", str(journal), "--metric", "visit:rate", "--metric", "spend:mean"]
    arguments += ["--covariate", "feature.history", "--registry", str(journal / "none")]
    printed = CliRunner().invoke(compare_command, arguments)
    assert printed.exit_code == 0
    guide = (ROOT / "docs" / "guides" / "comparison.md").read_text()
    shown = guide.partition("<!-- hillstrom -->\n```text\n")[2].partition("```")[0]
    assert shown.partition("\n")[2].strip() == printed.output.strip()


def test_the_guides_picture_is_that_of_the_page(comparison: Comparison) -> None:
    """The same caption, which has the figures, and the same texts on the axes."""
    drawn = ET.fromstring(next(effect_pictures(comparison)).svg)
    shown = ET.parse(ROOT / "docs" / "pictures" / "comparison-effect.svg").getroot()
    assert drawn.get("aria-label") == shown.get("aria-label")
    assert [*drawn.itertext()] == [*shown.itertext()]
