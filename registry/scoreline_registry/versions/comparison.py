"""The differences between two versions in contracts, metrics and files. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scoreline_registry.documents.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact of two versions; None where a version does not have it."""

    what: str
    left: object
    right: object


def contract_differences(left: Manifest, right: Manifest) -> list[Difference]:
    """The differences in inputs and in the meaning of the score."""
    return [
        *_differences(_input_facts(left), _input_facts(right)),
        *_differences(_score_facts(left), _score_facts(right)),
    ]


def metric_differences(left: Manifest, right: Manifest) -> list[Difference]:
    """Every metric of either, equal ones too."""
    names = {**left.metrics, **right.metrics}
    return [Difference(name, left.metrics.get(name), right.metrics.get(name)) for name in names]


def file_differences(left: Mapping[str, str], right: Mapping[str, str]) -> list[Difference]:
    """The files whose digests differ, given the sha256 of each file by name."""
    return list(_differences(left, right))


def _input_facts(manifest: Manifest) -> dict[str, Any]:
    facts: dict[str, Any] = {"family": manifest.family, "task": manifest.task}
    for feature in manifest.inputs.features:
        own = feature.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
        facts[f"feature {feature.name}"] = _brief(own)
    if manifest.inputs.features:
        facts["feature order"] = ", ".join(feature.name for feature in manifest.inputs.features)
    facts |= {each.name: _brief(each.written()) for each in manifest.inputs.ragged}
    return facts


def _score_facts(manifest: Manifest) -> dict[str, Any]:
    score = manifest.score
    bands = ", ".join(f"{band.name} from {band.from_score:g}" for band in score.bands)
    points = None if score.points is None else _brief(score.points.model_dump(mode="json"))
    facts = {"score": score.meaning, "score kind": score.kind, "bands": bands, "extras": ", ".join(score.extras)}
    return {**facts, "points": points}


def _brief(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items()) or "number"


def _differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[Difference]:
    for name in {**left, **right}:
        if left.get(name) != right.get(name):
            yield Difference(name, left.get(name), right.get(name))
