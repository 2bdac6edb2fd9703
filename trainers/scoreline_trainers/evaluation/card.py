"""A model card: what a reviewer reads before a version may serve (Mitchell et al., Model Cards, FAT* 2019)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from scoreline_registry.documents.contract import Feature
from scoreline_registry.documents.manifest import Manifest, TrainingFacts
from scoreline_trainers.evaluation.band_summary import BandSummary


def model_card(
    model: str,
    manifest: Manifest,
    *,
    described: Mapping[str, object],
    notes: str = "",
    bands: Sequence[BandSummary] = (),
    warnings: Sequence[str] = (),
) -> str:
    """The card as Markdown.

    Args:
        model: the model's name.
        manifest: of the version.
        described: the fitted model's facts about itself.
        notes: what its recipe says in words.
        bands: the score's bands with the validation rows in them.
        warnings: what a reviewer should look at.
    """
    sections = [f"# {model}", *filter(None, [notes.strip()]), _summary(manifest, described)]
    sections += [_section("Warnings", _list(warnings))] if warnings else []
    sections += [_section("Score", _score(manifest, bands)), _section("Quality", _quality(manifest))]
    sections += [_section("Training", _training(manifest.training))] if manifest.training is not None else []
    sections += [_section("Inputs", _inputs(manifest)), _section("Proof", _proof(manifest))]
    return "\n\n".join(sections) + "\n"


def _summary(manifest: Manifest, described: Mapping[str, object]) -> str:
    facts: dict[str, object] = {"family": manifest.family, "task": manifest.task, **described}
    if manifest.training is not None:
        training = manifest.training
        facts["training rows"] = f"{training.rows:,}"
        if training.positives is not None:
            facts["positive"] = f"{training.positives:,} ({training.positives / training.rows:.1%})"
        facts["trained"] = f"{manifest.created_at:%Y-%m-%d %H:%M} UTC in {training.seconds:.1f} s"
    return _table(("fact", "value"), facts.items())


def _score(manifest: Manifest, bands: Sequence[BandSummary]) -> str:
    score = manifest.score
    lines = [f"{score.meaning} ({score.kind})."]
    if bands:
        rows = ((band.name, f"{band.from_score:g}", f"{band.rows:,}", _percent(band.rate)) for band in bands)
        lines.append(_table(("band", "from", "validation rows", "with label 1"), rows))
    elif score.bands:
        lines.append(_table(("band", "from"), ((band.name, f"{band.from_score:g}") for band in score.bands)))
    if score.points is not None:
        points = score.points
        lines.append(f"Points: {points.base:g} stand for odds of {points.odds:g}:1, {points.pdo:g} double the odds.")
    return "\n\n".join(lines)


def _quality(manifest: Manifest) -> str:
    rows = ((name, f"{value:.4f}") for name, value in manifest.metrics.items())
    return "On validation rows, which the model was not trained on.\n\n" + _table(("metric", "value"), rows)


def _training(training: TrainingFacts) -> str:
    """What it takes to train the same model again: data, validation, seed, options and libraries."""
    recipe = training.recipe or {}
    facts: dict[str, object] = {"data": training.data or "a table that was passed in"}
    facts["data sha256"] = training.data_sha256 or "unknown"
    if training.validation_rows is not None:
        facts["validation rows"] = f"{training.validation_rows:,}"
    facts |= {
        key: _text(recipe[key])
        for key in ("validation", "seed", "unit", "time", "calibration")
        if recipe.get(key) is not None
    }
    facts["libraries"] = ", ".join(f"{name} {version}" for name, version in training.libraries.items())
    parts = [_table(("fact", "value"), facts.items())]
    if recipe.get("engineered"):
        parts.append("Columns computed in the graph:\n\n" + _list(_text(entry) for entry in recipe["engineered"]))
    if recipe.get("config"):
        parts.append(_table(("option", "value"), _options(recipe["config"])))
    return "\n\n".join(parts)


def _options(config: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The family's options with their values; those of an ensemble's members one by one."""
    for name, value in config.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            yield from ((f"{name}[{place}]", _text(item)) for place, item in enumerate(value))
        else:
            yield name, _text(value)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items() if item is not None) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value) or "none"
    return "none" if value is None else str(value)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _inputs(manifest: Manifest) -> str:
    parts = []
    if manifest.inputs.features:
        rows = ((feature.name, feature.kind, _limits(feature)) for feature in manifest.inputs.features)
        parts.append(_table(("feature", "kind", "facts"), rows))
    for ragged in manifest.inputs.ragged:
        counts, rest = ("1 to", "") if ragged.kind.least else ("Up to", ", or none")
        names = ", ".join(ragged.features)
        parts.append(f"{counts} {ragged.max_items} {ragged.kind.items}{rest}, each with: {names}.")
    return "\n\n".join(parts)


def _limits(feature: Feature) -> str:
    facts = ["required"] if feature.required else []
    facts += [f"{name} {value}" for name in ("default", "min", "max") if (value := getattr(feature, name)) is not None]
    if feature.vocabulary:
        shown = ", ".join(feature.vocabulary[:8]) + (", ..." if len(feature.vocabulary) > 8 else "")
        facts.append(f"{len(feature.vocabulary)} names ({shown}), others: {feature.unseen}")
    return "; ".join(facts + (["sensitive"] if feature.sensitive else [])) or "-"


def _proof(manifest: Manifest) -> str:
    parity, golden = manifest.parity, manifest.golden
    lines = []
    if parity is not None:
        lines.append(
            f"The ONNX graph equals the native model within {parity.max_difference:.2g} on {parity.rows:,} rows "
            f"({parity.tolerance:g} is allowed)."
        )
    if golden is not None:
        lines.append(f"Servers reproduce {golden.rows} golden rows within {golden.tolerance:g} before they serve.")
    return " ".join(lines) or "Not checked."


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
