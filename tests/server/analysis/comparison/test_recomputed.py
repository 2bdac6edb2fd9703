"""Every figure of a report, recomputed from the exported journal by pandas, SciPy and scikit-learn."""

from pathlib import Path

import numpy as np
import pytest

from scoreline_server.analysis.comparison.comparison import Request, compare
from scoreline_server.analysis.comparison.plans import Options, metric_of
from scoreline_server.analysis.report.comparison import Comparison
from scoreline_server.journal.format.facts import ShadowFacts
from scoreline_server.outcomes.reader import read_outcomes
from tests.server.analysis.comparison.recomputing import check_arms, check_shadow, exported
from tests.server.analysis.rows import DAY, START, Rows, append_shadows, route_facts, write_outcomes, write_rows

CUTS, BANDS = (0.0, 0.3, 0.7), ("low", "medium", "high")
SHADOW_CUTS = (0.0, 0.25, 0.6)
VERSIONS = {
    "old@1": dict(zip(BANDS, CUTS, strict=True)),
    "new@1": dict(zip(BANDS, CUTS, strict=True)),
    "next@3": dict(zip(BANDS, SHADOW_CUTS, strict=True)),
}
COUNT = 6000


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows]:
    """Two arms and a shadow that scores every row, with outcomes of four rows in five."""
    generator = np.random.default_rng(6)
    folder = tmp_path_factory.mktemp("journal")
    scores = generator.beta(2, 3, COUNT).astype(np.float32)
    shadow = np.clip(scores + generator.normal(0.02, 0.1, COUNT), 0, 1).astype(np.float32)
    shadow[7] = np.nan
    facts = ShadowFacts("next@3", "next", 3, "c", 1_000_000, SHADOW_CUTS, BANDS)
    rows = Rows(
        route_facts({"old@1": 700_000, "new@1": 300_000}, cuts=CUTS, bands=BANDS, shadows=(facts,)),
        [f"u{place}" for place in range(COUNT)],
        (generator.random(COUNT) < 0.3).astype(int),
        START + np.sort(generator.integers(0, 4 * 3600 * 10**6, COUNT)) * 1000,
        scores=scores,
        latencies_us=generator.integers(400, 9000, COUNT),
        contexts=[{"channel": channel} for channel in ("web", "branch", "phone")],
        context_index=generator.integers(0, 3, COUNT),
    )
    path = write_rows(folder, rows)
    append_shadows(path, rows, "next@3", shadow, microseconds=320)
    told = np.flatnonzero(generator.random(COUNT) < 0.8)
    values = generator.random(len(told)) < scores[told] * 0.6 + 0.05 * rows.assigned[told]
    write_outcomes(folder, "default", values, ids=rows.call_ids[told])
    return folder, rows


@pytest.fixture(scope="module")
def report(scored: tuple[Path, Rows]) -> Comparison:
    options = Options(metrics=(metric_of("default:rate:decrease"),), segments=("context.channel",))
    return compare(Request((scored[0],), "credit", options=options, now=START + 400 * DAY))


def labels_of(scored: tuple[Path, Rows]) -> dict[str, float]:
    """The outcomes by prediction id, as they were written."""
    return {
        f"{call.hex()}-0": value
        for block in read_outcomes([scored[0]])
        for call, value in zip(block.call_ids.tolist(), block.values.tolist(), strict=True)
    }


def test_arms_are_what_pandas_and_scipy_say(scored: tuple[Path, Rows], report: Comparison, tmp_path: Path) -> None:
    rows, _ = exported(scored[0], tmp_path)
    check_arms(report, rows, labels_of(scored))


def test_shadows_are_what_pandas_and_scipy_say(scored: tuple[Path, Rows], report: Comparison, tmp_path: Path) -> None:
    rows, shadows = exported(scored[0], tmp_path)
    assert [shadow.primary for shadow in report.shadows] == ["old@1", "new@1"]
    for shadow in report.shadows:
        check_shadow(shadow, rows, shadows, labels_of(scored), VERSIONS, tuning_rows=report.plan.tuning_rows)
        assert shadow.shadow_latency is not None
        assert shadow.shadow_latency.mean == pytest.approx(320 / 1000 / 64, rel=0.02)
    assert sum(shadow.shadow_failed for shadow in report.shadows) == 1
    assert any("they cannot show what would have happened" in note.text for note in report.notes)
