import math

import pytest

from scoreline_registry.documents.contract import ScoreContract
from scoreline_registry.documents.manifest import GoldenFacts, Manifest, ParityFacts
from scoreline_registry.errors import GateError
from scoreline_registry.versions.gate_rules import check_gate, gate_errors
from tests.registry.samples import manifest

FILES = {"model.onnx", "golden.npz"}


def proven(rows: int = 2000, largest: float = 1e-7) -> Manifest:
    facts = {
        "parity": ParityFacts(rows=rows, max_difference=largest, tolerance=1e-5),
        "golden": GoldenFacts(rows=64, tolerance=1e-5),
        "score": ScoreContract(meaning="probability", extras=("attention",)),
    }
    return manifest().model_copy(update=facts)


def problems(
    of: Manifest, files: set[str] = FILES, score: float = 1e-7, tolerances: dict[str, float] | None = None
) -> list[str]:
    return gate_errors(
        manifest=of,
        files=files,
        differences={"score": score, "attention": 0.0},
        tolerances={"score": 1e-5, "attention": 1e-5} if tolerances is None else tolerances,
    )


def test_a_version_that_was_proven_passes() -> None:
    assert problems(proven()) == []
    assert problems(proven(largest=1e-5), score=1e-5) == []


@pytest.mark.parametrize("score", [1.1e-5, 1.0, math.inf, math.nan])
def test_a_difference_above_its_tolerance_or_no_number_is_refused(score: float) -> None:
    assert any("'score' differs by" in problem for problem in problems(proven(), score=score))


def test_every_output_of_the_contract_and_no_other_is_compared() -> None:
    only_score = gate_errors(manifest=proven(), files=FILES, differences={"score": 0.0}, tolerances={"score": 1e-5})
    assert only_score == ["output 'attention' was never compared with the native model"]
    assert problems(proven(), tolerances={"score": 1e-5}) == ["output 'attention' has no tolerance"]
    other = gate_errors(
        manifest=proven().model_copy(update={"score": ScoreContract(meaning="p")}),
        files=FILES,
        differences={"score": 0.0, "attention": 0.0},
        tolerances={"score": 1e-5},
    )
    assert other == ["output 'attention' was compared but is in no score contract"]


def test_files_are_complete_and_none_is_reserved() -> None:
    assert problems(proven(), files={"model.onnx"}) == ["the file 'golden.npz' is missing"]
    assert problems(proven(), files={*FILES, "claim.json"}) == [
        "the file 'claim.json' is written by the registry itself"
    ]


def test_the_manifest_states_what_was_measured() -> None:
    assert problems(proven(rows=1999)) == ["parity was shown on 1999 rows, at least 2000 are needed"]
    assert problems(proven(largest=1e-8)) == ["the manifest states a smaller difference than was measured"]
    assert problems(proven(largest=1e-4)) == ["the manifest's largest difference 0.0001 is above its tolerance"]
    assert problems(proven().model_copy(update={"parity": None, "golden": None})) == [
        "the manifest does not describe the golden rows",
        "the manifest does not state the parity with the native model",
    ]


def test_the_gate_raises_with_every_problem() -> None:
    with pytest.raises(GateError, match="version of credit: ") as caught:
        check_gate("credit", manifest=manifest(), files=(), differences={}, tolerances={})
    assert len(caught.value.problems) == 5
