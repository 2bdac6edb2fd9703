"""``reasons.npz``: exact where the margin is a sum, near the cut-off, and compared with the graph by the gate."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scoreline_registry.attributions.exact_values import ExactValues
from scoreline_registry.attributions.reason_file import ReasonFile, ReasonFileError, TreesTerm
from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.manifest import GOLDEN_FILE, MODEL_FILE, REASONS_FILE
from scoreline_registry.errors import GateError
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.explanation import reasons
from scoreline_trainers.explanation.explainers import explainer_of
from scoreline_trainers.explanation.reasons import ReasonSpec, check_reasons, reason_problems, reasons_file
from scoreline_trainers.family import Fitted
from scoreline_trainers.gate.golden import write_arrays
from tests.trainers.explanation.test_explainers import EXACT, FEW, MEMBERS, PEOPLE, ROWS, definition, fitted, margins

Files = dict[str, bytes]
INPUTS = PEOPLE.inputs


def files_of(model: Fitted, *, near: float | None = 0.5, rows: int = 16, golden: Batch = ROWS) -> Files:
    graph = model.to_onnx().SerializeToString()
    held = write_arrays(dict(golden.feeds()))
    made = reasons_file(
        graph, INPUTS, training=PEOPLE.batch, golden=held, near=near, spec=ReasonSpec(rows=rows), seed=0
    )
    return {MODEL_FILE: graph, GOLDEN_FILE: held, REASONS_FILE: made}


@pytest.fixture(scope="module")
def files() -> Files:
    return files_of(fitted("lightgbm", FEW))


def changed(files: Files, **updates: Any) -> Files:
    return {**files, REASONS_FILE: replace(ReasonFile.read(files[REASONS_FILE]), **updates).write()}


@pytest.mark.parametrize("family", list(EXACT))
def test_the_file_of_a_sum_gives_exact_contributions(family: str) -> None:
    model = fitted(family, EXACT[family])
    made = files_of(model)
    file = ReasonFile.read(made[REASONS_FILE])
    assert file.terms
    cohort = Batch(**file.cohort)
    found = ExactValues.of(file, reasons._matrices(file, cohort)).of_rows(reasons._matrices(file, ROWS))
    native = explainer_of(made[MODEL_FILE], INPUTS, cohort)
    distance = margins(model, native, ROWS) - margins(model, native, cohort).mean()
    np.testing.assert_allclose(found.sum(axis=1), distance, rtol=0, atol=1e-5)
    for row in range(2):
        expected = definition(native, ROWS.take(np.array([row])), cohort)
        np.testing.assert_allclose(found[row], expected, rtol=0, atol=1e-5)
    assert not reason_problems(INPUTS, made)


def test_a_mean_of_members_is_sampled_and_passes_the_gate() -> None:
    made = files_of(fitted("voting", {"members": MEMBERS, "measuring_fraction": 0}))
    file = ReasonFile.read(made[REASONS_FILE])
    assert (file.terms, file.graph, file.facts.link) == ((), b"", "identity")
    assert not reason_problems(INPUTS, made)


def test_the_cohort_is_of_training_rows_near_the_cut_off(files: Files) -> None:
    file = ReasonFile.read(files[REASONS_FILE])
    scores = fitted("lightgbm", FEW).predict(PEOPLE.batch)
    theirs = fitted("lightgbm", FEW).predict(Batch(**file.cohort))
    assert (file.facts.near, file.facts.rows, len(theirs)) == (0.5, 16, 16)
    assert np.abs(theirs - 0.5).max() <= np.sort(np.abs(scores - 0.5))[15] + 1e-6


def test_without_a_cut_off_the_cohort_is_drawn_at_random() -> None:
    made = files_of(fitted("logistic", {}), near=None)
    facts = ReasonFile.read(made[REASONS_FILE]).facts
    assert (facts.near, facts.rows) == (None, 16)


def test_equal_arguments_give_equal_bytes(files: Files) -> None:
    assert files_of(fitted("lightgbm", FEW))[REASONS_FILE] == files[REASONS_FILE]


def test_rows_that_do_not_add_up_make_the_version_sampled(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "TOLERANCE", -1.0)
    assert not ReasonFile.read(files_of(fitted("lightgbm", FEW))[REASONS_FILE]).terms


def test_the_gate_refuses_what_differs_from_the_graph(files: Files) -> None:
    check_reasons("people", INPUTS, files)
    file = ReasonFile.read(files[REASONS_FILE])
    (term,) = file.terms
    assert isinstance(term, TreesTerm)
    shifted = replace(term, trees=replace(term.trees, value=term.trees.value * 1.01))
    wrong: dict[str, Files] = {
        "base value": changed(files, facts=replace(file.facts, base=file.facts.base + 1e-4)),
        "do not add up": changed(files, terms=(shifted,)),
        "log odds": changed(files, facts=replace(file.facts, link="identity")),
        "sources": {**files, REASONS_FILE: changed(files, facts=replace(file.facts, players=6))[REASONS_FILE]},
        "cannot be read": {**files, REASONS_FILE: files[REASONS_FILE][:-200]},
    }
    for problem, broken in wrong.items():
        with pytest.raises(GateError, match=problem):
            check_reasons("people", INPUTS, broken)
    fewer = InputContract(features=INPUTS.features[:-1])
    assert "sources" in reason_problems(fewer, files)[0]


def test_a_version_without_the_file_passes() -> None:
    assert not reason_problems(INPUTS, {})


def test_trees_that_would_not_end_are_refused(files: Files) -> None:
    file = ReasonFile.read(files[REASONS_FILE])
    (term,) = file.terms
    assert isinstance(term, TreesTerm)
    inner = int(np.flatnonzero(term.trees.column >= 0)[1])
    yes = term.trees.yes.copy()
    yes[inner] = int(term.trees.roots[0])
    circular = replace(term, trees=replace(term.trees, yes=yes))
    outside = replace(term, trees=replace(term.trees, no=term.trees.no + 100_000))
    columns = replace(term, sources=term.sources[:1])
    for broken, problem in ((circular, "two ways"), (outside, "not there"), (columns, "without a source")):
        with pytest.raises(ReasonFileError, match=problem):
            ReasonFile.read(replace(file, terms=(broken,)).write())


def test_a_file_of_a_later_release_is_refused(files: Files) -> None:
    file = ReasonFile.read(files[REASONS_FILE])
    with pytest.raises(ReasonFileError, match="schema 2"):
        ReasonFile.read(replace(file, facts=replace(file.facts, schema=2)).write())
    with pytest.raises(ReasonFileError, match="cannot be read"):
        ReasonFile.read(b"PK nonsense")
