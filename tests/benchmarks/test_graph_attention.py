"""Neighbours of real applicants, in short."""

import os
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra deep")

from tests.benchmarks.graph_attention import measure, read


@pytest.mark.acceptance
def test_neighbors_tell_of_new_applicants_what_their_applications_do_not() -> None:
    if not os.environ.get("SCORELINE_DATA"):
        pytest.skip("SCORELINE_DATA does not name the folder of real data sets")
    applicants = read(Path(os.environ["SCORELINE_DATA"]) / "german_graph")
    assert (len(applicants.frame), len(applicants.edges)) == (1000, 21_742)
    (shown,) = measure(applicants, hidden=[0.5], seeds=[0, 1])
    assert shown.neighbors == pytest.approx(21.7, abs=0.5)
    assert shown.gain["mlp"] > 0.005
    assert shown.gain["logistic"] > 0.005
