"""Adds a segment to a published version: a pure function from the old version's files to the new one's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from pydantic import ValidationError

from scoreline_registry.documents.manifest import (
    BASELINE_FILE,
    CARD_FILE,
    EXPLANATION_FILE,
    GOLDEN_FILE,
    MODEL_FILE,
    REASONS_FILE,
    REFERENCE_FILE,
    REPORT_FILE,
    Manifest,
    ParityFacts,
)
from scoreline_registry.documents.signature import SCORE, SIGNATURE
from scoreline_registry.errors import GateError
from scoreline_registry.versions.gate_rules import check_gate
from scoreline_trainers.adaptation.comparison import Before, mixed_samples
from scoreline_trainers.adaptation.graph import HeadedGraph
from scoreline_trainers.adaptation.new_segment import HeadSlot, NewSegment, with_segment
from scoreline_trainers.data.batch import Batch, Float64, concatenate
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import AdaptError
from scoreline_trainers.evaluation.baseline import Baseline
from scoreline_trainers.explanation.reasons import reason_problems
from scoreline_trainers.explanation.version_files import explanation_problems
from scoreline_trainers.gate.checks import Proof, prove
from scoreline_trainers.gate.golden import read_arrays
from scoreline_trainers.heads.record import ADAPTATION_FILE, Adapted, Record
from scoreline_trainers.reporting.card import model_card
from scoreline_trainers.reporting.document import RunReport
from scoreline_trainers.reporting.stored import report_of

# The most that a score may differ from what it must be. It does not differ at all where ONNX Runtime is the same.
UNTOUCHED = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """A version as the registry has it; ``files`` are all but the manifest."""

    model: str
    version: int
    manifest: Manifest
    files: Mapping[str, bytes]

    def __str__(self) -> str:
        return f"{self.model}@{self.version}"

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe as it was run; empty where there is none."""
        training = self.manifest.training
        return {} if training is None or training.recipe is None else training.recipe

    def record(self) -> Record:
        """Its ``adaptation.json``. Raises AdaptError where there is none, or where it cannot be adapted."""
        if ADAPTATION_FILE not in self.files or "label" not in self.recipe:
            raise AdaptError(str(self), f"cannot take in a segment: {self._how_to()}")
        try:
            record = Record.model_validate_json(self.files[ADAPTATION_FILE])
        except ValidationError as error:
            raise AdaptError(str(self), f"has an {ADAPTATION_FILE} that this release cannot read") from error
        if json.dumps(record.feature) in json.dumps(self.recipe.get("engineered", [])):
            problem = f"computes columns from {record.feature!r}, which change with its names: train it again"
            raise AdaptError(str(self), problem)
        return record

    def _how_to(self) -> str:
        """Members of an ensemble read the segment too, and would take the code of a new name for another name's."""
        family, families = self.manifest.family, "transfer, maml or multitask"
        if {"member", "members"} & dict(self.recipe.get("config", {})).keys():
            return f"{family!r} is an ensemble, whose members know the old names only: publish one of {families} alone"
        return f"train a model of family {families} by a recipe"

    def golden_inputs(self) -> Batch:
        """The rows that servers reproduce."""
        arrays = read_arrays(self.files[GOLDEN_FILE])
        return Batch(**{name: arrays[name] for name in SIGNATURE if name in arrays})

    def columns(self) -> Columns:
        """The columns of a table with the new segment's rows."""
        features = [{"name": feature.name} for feature in self.manifest.inputs.features]
        kept = {name: self.recipe[name] for name in ("label", "sequence") if name in self.recipe}
        return Columns.model_validate_json(json.dumps({**kept, "features": features}))


@dataclass(frozen=True, slots=True, eq=False)
class AdaptedVersion:
    """A version that passed the gate and is not published yet; ``files`` are all but the manifest.

    Attributes:
        entry: what was done.
        before, after: the mean score of the segment's rows by the old version and by this one.
        moved: the largest difference to what each score must be.
        checked: on how many rows.
    """

    manifest: Manifest
    files: Mapping[str, bytes]
    entry: Adapted
    before: float
    after: float
    moved: float
    checked: int


def adapt(published: Published, new: NewSegment, *, created_at: datetime, again: bool = False) -> AdaptedVersion:
    """Adds a head for a segment, or with ``again`` replaces that of a known one.

    Args:
        published: a version of a family with heads.
        new: the segment's labelled rows; both labels must be among them.
        created_at: aware.
        again: the segment is known already.

    Raises:
        AdaptError: the version has no heads to add to, or knows the segment, or with ``again`` does not.
        DataError: the rows do not fit.
        GateError: the new graph does not score as it must.
    """
    record, graph = published.record(), HeadedGraph.read(published.files[MODEL_FILE], subject=str(published))
    slot = _slot(published, record, new.segment, again=again)
    inputs = with_segment(published.manifest.inputs, record.feature, new.segment)
    data = new.dataset(inputs, feature=record.feature, columns=published.columns())
    head = _head(published, record, graph, slot, data)
    model, before = graph.with_heads(_with_head(graph.heads, slot, head)), Before.of(graph, slot, head)
    manifest = published.manifest.model_copy(update={"inputs": inputs, "created_at": created_at, "files": {}})
    proof = _proof(published, manifest, model, before, data.batch)
    manifest = manifest.model_copy(update={"parity": _parity(published, proof), "golden": proof.golden_facts})
    entry = _entry(published, new, data, created_at)
    files = _files(published, manifest, model, proof, record, entry)
    check_gate(
        published.model, manifest=manifest, files=files, differences=proof.differences, tolerances=proof.tolerances
    )
    old = float(before.old.score(slot.as_before(data.batch)).mean())
    now = float(before.outputs(data.batch)[SCORE].mean())
    return AdaptedVersion(manifest, files, entry, old, now, max(proof.differences.values()), proof.rows)


def _slot(published: Published, record: Record, segment: str, *, again: bool) -> HeadSlot:
    slot = HeadSlot.among(published.manifest.inputs, record.feature, segment)
    if slot.is_new and again:
        raise AdaptError(str(published), f"does not know {segment!r} yet: leave out --again")
    if not slot.is_new and not again:
        raise AdaptError(str(published), f"knows {segment!r} already: --again replaces its head")
    return slot


def _head(published: Published, record: Record, graph: HeadedGraph, slot: HeadSlot, data: Dataset) -> Float64:
    """The head by the version's rule, from its states and the heads of training."""
    names = published.manifest.inputs.features[slot.column].vocabulary
    own = data.inputs.features[slot.column].vocabulary[slot.code]
    later = {own, *(entry.segment for entry in record.adapted)}
    trained = [place for place, name in enumerate(names) if name not in later]
    states = graph.states(slot.as_unseen(data.batch))
    return record.rule.head(states, data.label, graph.heads[[*trained, len(names)]])


def _with_head(heads: Float64, slot: HeadSlot, head: Float64) -> Float64:
    others = heads if slot.is_new else np.delete(heads, slot.code, axis=0)
    return np.insert(others, slot.code, head, axis=0)


def _proof(published: Published, manifest: Manifest, model: bytes, before: Before, rows: Batch) -> Proof:
    subject = f"{published} with another segment"
    real = concatenate([before.slot.as_now(published.golden_inputs()), rows])
    golden = published.manifest.golden
    tolerances = {} if golden is None else {SCORE: golden.tolerance, **golden.tolerances}
    proof = prove(
        model,
        subject=subject,
        inputs=manifest.inputs,
        score=manifest.score,
        samples=mixed_samples(real, manifest.inputs, before.slot),
        reference=before.outputs,
        tolerances=tolerances,
    )
    for name, difference in proof.differences.items():
        if difference > UNTOUCHED:
            raise GateError(subject, [f"{name!r} is off by {difference:.3g}, {UNTOUCHED:g} is allowed"])
    return proof


def _parity(published: Published, proof: Proof) -> ParityFacts | None:
    """As far from the native model as the old graph was, and as this one is from the old."""
    before, now = published.manifest.parity, proof.parity
    if before is None or now is None:
        return now
    return now.model_copy(update={"max_difference": before.max_difference + now.max_difference})


def _entry(published: Published, new: NewSegment, data: Dataset, at: datetime) -> Adapted:
    return Adapted(
        segment=new.segment,
        version=published.version,
        rows=len(data),
        positives=data.positives,
        data_sha256=new.data_sha256,
        at=at,
    )


def _files(
    published: Published, manifest: Manifest, model: bytes, proof: Proof, record: Record, entry: Adapted
) -> dict[str, bytes]:
    """Those of the old version, with what changed."""
    history = (*(each for each in record.adapted if each.segment != entry.segment), entry)
    record = record.model_copy(update={"adapted": history})
    kept = dict(published.files)
    if explanation_problems({**kept, MODEL_FILE: model}):
        # Reference rows of segments without a name of their own may be the new segment's now.
        for name in (EXPLANATION_FILE, REFERENCE_FILE):
            kept.pop(name, None)
    if reason_problems(manifest.inputs, {**kept, MODEL_FILE: model, GOLDEN_FILE: proof.golden}):
        kept.pop(REASONS_FILE, None)
    files = {
        **kept,
        MODEL_FILE: model,
        GOLDEN_FILE: proof.golden,
        ADAPTATION_FILE: record.model_dump_json(indent=2).encode(),
        BASELINE_FILE: _baseline(published.files[BASELINE_FILE], record.feature, entry),
        REPORT_FILE: _report(published, record).model_dump_json().encode(),
    }
    return {**files, CARD_FILE: model_card(report_of(published.model, manifest, files)).encode()}


def _baseline(data: bytes, feature: str, entry: Adapted) -> bytes:
    """The rows that training saw, and beside them the segment's own in the counts of its name."""
    before = Baseline.model_validate_json(data)
    category = before.categories[feature]
    grown = category.model_copy(update={"counts": {**category.counts, entry.segment: entry.rows}})
    return before.model_copy(update={"categories": {**before.categories, feature: grown}}).model_dump_json().encode()


def _report(published: Published, record: Record) -> RunReport:
    """The report of the version from before, which says what was taken in since."""
    lines = [
        f"- {each.segment}: {each.rows} rows, {each.positives} with label 1, added to version {each.version}"
        for each in record.adapted
    ]
    notes = [
        str(published.recipe.get("description", "")),
        "Segments that were taken in after training; the figures of quality are from before, without them:",
        "\n".join(lines),
    ]
    stored = published.files.get(REPORT_FILE)
    before = RunReport() if stored is None else RunReport.model_validate_json(stored)
    return before.model_copy(update={"description": "\n\n".join(filter(None, notes))})
