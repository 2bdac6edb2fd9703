"""``scoreline reasons``: journaled scores explained again by the versions that served them."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.manifest import REFERENCE_FILE
from scoreline_registry.registry import Registry
from scoreline_server.analysis.replay.reason_commands import reasons_command
from tests.server.analysis.replay.replays import THIS
from tests.server.journals import catalog_of, journal_in, scored
from tests.server.routes import apply
from tests.server.toys import FEATURES, NO_FILES, golden_bytes, publish_linear
from tests.server.wire import entity, named

COHORT = np.array([[0, 40, 1], [1, 30, 0], [2, 50, 3]], np.float32)
REFERENCE = {REFERENCE_FILE: golden_bytes(features=COHORT)}


def run(tmp_path: Path, *arguments: object) -> Result:
    return CliRunner().invoke(reasons_command, [*map(str, arguments), "--registry", str(tmp_path / "registry")])


def journaled(registry: Registry, tmp_path: Path, more: Mapping[str, bytes] = REFERENCE) -> pb.ScoreResponse:
    """The answer to a call whose rows are in the journal."""
    publish_linear(registry, "linear", (1.0, -0.1, 0.5), aliases=("champion",), more=more)
    apply(registry)
    request = named(entity("ann", income=3.0, age=60.0, debt=2.0), entity("bob", income=0.5), entity("cat", age=1.0))
    request.reasons = 3 if more else 0
    journal = journal_in(tmp_path / "registry-journal", facts=THIS)
    (answer,), (batch,) = scored(catalog_of(registry), request)
    journal(batch)
    journal.close()
    return answer


def test_a_journaled_score_has_the_reasons_that_were_answered(registry: Registry, tmp_path: Path) -> None:
    answer = journaled(registry, tmp_path)
    # A new champion explains nothing that the old one scored.
    publish_linear(registry, "linear", (0.0, 0.0, 0.0), aliases=("champion",), more=REFERENCE)
    done = run(tmp_path, answer.scores[0].prediction_id, "--json", "--top", 3)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["entity_id"], found["model"], found["version"]) == ("ann", "linear", 1)
    assert found["score"] == pytest.approx(answer.scores[0].score)
    expected = answer.scores[0].explanation
    assert [each["input"] for each in found["reasons"]] == [each.input for each in expected.reasons]
    for said, code in zip(found["reasons"], expected.reasons, strict=True):
        assert said["contribution"] == pytest.approx(code.contribution, abs=1e-5)
        assert said["text"] == code.text
    shown = run(tmp_path, answer.scores[1].prediction_id)
    assert shown.exit_code == 0, shown.output
    assert "of bob by linear@1" in shown.stdout
    assert "all others" in shown.stdout


def test_what_cannot_be_explained_fails_with_one_line(registry: Registry, tmp_path: Path) -> None:
    answer = journaled(registry, tmp_path)
    for prediction, problem in (
        ("0" * 24 + "-0", "no journaled row has the prediction id"),
        ("nonsense", "is no prediction id"),
        (answer.scores[2].error.reason and f"{answer.call_id.hex()}-2", "it has no score: MISSING_FEATURE"),
    ):
        done = run(tmp_path, prediction)
        assert done.exit_code == 1
        assert problem in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_version_that_has_nothing_to_explain_by_says_so(registry: Registry, tmp_path: Path) -> None:
    answer = journaled(registry, tmp_path, NO_FILES)
    done = run(tmp_path, answer.scores[0].prediction_id)
    assert done.exit_code == 1
    assert "publish the model again" in done.stderr


def test_sensitive_inputs_are_not_journaled_and_not_explained(registry: Registry, tmp_path: Path) -> None:
    secret = (FEATURES[0], FEATURES[1].model_copy(update={"sensitive": True}), FEATURES[2])
    publish_linear(registry, "linear", (1.0, -0.1, 0.5), features=secret, aliases=("champion",), more=REFERENCE)
    apply(registry)
    journal = journal_in(tmp_path / "registry-journal", facts=THIS)
    (answer,), (batch,) = scored(catalog_of(registry), named(entity("ann", income=3.0, age=60.0)))
    journal(batch)
    journal.close()
    done = run(tmp_path, answer.scores[0].prediction_id)
    assert done.exit_code == 1
    assert "sensitive features are not journaled: age" in done.stderr
