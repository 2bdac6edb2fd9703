"""How a version was made: what it takes to train it again, the search, the selection, the proof and the stages."""

from scoreline_trainers.reporting.blocks import Block, Bullets, Section, Table, Text, facts
from scoreline_trainers.reporting.document import Trial, VersionReport
from scoreline_trainers.reporting.text import in_order, interval, number, options, plain, seconds, size

MAX_TRIALS = 100
_SHOWN = (
    "validation", "seed", "unit", "time", "label", "positive", "class_weight", "calibration", "costs", "evaluate",
    "search", "select", "retrain",
)  # fmt: skip


def training(report: VersionReport) -> Section:
    """What it takes to train the same model again: data, validation, seed, options and libraries."""
    found = report.manifest.training
    if found is None:
        return Section("Training", ())
    recipe = found.recipe or {}
    shown = {"data": found.data or "a table that was passed in", "data sha256": found.data_sha256 or "unknown"}
    if found.validation_rows is not None:
        shown["validation rows"] = f"{found.validation_rows:,}"
    shown |= {key: plain(recipe[key]) for key in _SHOWN if recipe.get(key) is not None}
    shown["libraries"] = ", ".join(f"{name} {version}" for name, version in in_order(found.libraries))
    blocks: list[Block] = [facts(shown)]
    if recipe.get("engineered"):
        blocks.append(Text("Columns computed in the graph:"))
        blocks.append(Bullets(tuple(plain(entry) for entry in recipe["engineered"])))
    if recipe.get("config"):
        blocks.append(Table("", ("option", "value"), options(recipe["config"])))
    return Section("Training", tuple(blocks))


def search(report: VersionReport) -> Section:
    """The trials of a search, the best first."""
    found = report.run.search if report.run is not None else None
    if found is None:
        return Section("Search", ())
    complete = sum(trial.state == "complete" for trial in found.trials)
    text = f"{len(found.trials):,} trials by {found.metric} in {seconds(found.seconds)}, {complete:,} of them complete."
    ranked = sorted(found.trials, key=lambda trial: (trial.number != found.best, trial.value is None, trial.number))
    rows = tuple(_trial(trial, best=trial.number == found.best) for trial in ranked[:MAX_TRIALS])
    table = Table(
        "Trials, the chosen one first", ("trial", found.metric, "time", "state", "options"), rows, detail=True
    )
    space = facts(dict(found.space), title="The space", detail=True) if found.space else None
    return Section("Search", tuple(block for block in (Text(text), table, space) if block is not None))


def selection(report: VersionReport) -> Section:
    """Which features were kept, and why the others were not."""
    found = report.run.selection if report.run is not None else None
    if found is None:
        return Section("Selection of features", ())
    kept = [each for each in found.features if each.kept]
    rows = tuple(
        (each.name, number(each.importance), "kept" if each.kept else "left out", each.reason)
        for each in found.features
    )
    text = f"{len(kept):,} of {len(found.features):,} features were kept, by {found.method}."
    table = Table("Features", ("feature", "importance", "", "why"), rows, detail=True)
    return Section("Selection of features", (Text(text), table))


def champion(report: VersionReport) -> Section:
    """Beside the version that it was trained to replace, on the same rows."""
    found = report.run.champion if report.run is not None else None
    if found is None:
        return Section("Compared with the champion", ())
    rows = tuple(
        (each.metric, number(each.champion), number(each.challenger), interval(each.difference))
        for each in found.figures
    )
    positives = "" if found.positives is None else f", {found.positives:,} of them positive"
    text = f"On the {found.rows:,} newest rows{positives}, which neither has learned from."
    if found.refitted:
        text += " This version then learned from them too: the figures are those of the model before."
    why = f" Retrained because: {found.reason}." if found.reason else ""
    table = Table("", ("metric", found.champion, "this version", "difference (95 % interval)"), rows)
    return Section("Compared with the champion", (Text(text + why), table))


def proof(report: VersionReport) -> Section:
    """How far the graph is from the model that it was exported from, and the digests of the files."""
    parity, golden = report.manifest.parity, report.manifest.golden
    lines = []
    if parity is not None:
        lines.append(
            f"The ONNX graph equals the native model within {parity.max_difference:.2g} on {parity.rows:,} rows "
            f"({parity.tolerance:g} is allowed)."
        )
    if golden is not None:
        lines.append(f"Servers reproduce {golden.rows} golden rows within {golden.tolerance:g} before they serve.")
    blocks: list[Block] = [Text(" ".join(lines) or "Not checked.")]
    files = report.manifest.files
    if files:
        rows = tuple((name, size(file.bytes), file.sha256) for name, file in sorted(files.items()))
        blocks.append(Table("Files", ("file", "size", "sha256"), rows, detail=True))
    return Section("Proof", tuple(blocks))


def stages(report: VersionReport) -> Section:
    """Time and memory of the run."""
    found = report.run.stages if report.run is not None else ()
    rows = tuple((stage.title, seconds(stage.seconds), size(stage.peak_bytes)) for stage in found)
    if not rows:
        return Section("Stages", ())
    total = ("all", seconds(sum(stage.seconds for stage in found)), "")
    table = Table("Time and memory", ("stage", "time", "most memory until its end"), (*rows, total), detail=True)
    return Section("Stages", (table,))


def _trial(trial: Trial, *, best: bool) -> tuple[str, ...]:
    spread = "" if trial.deviation is None else f" ± {number(trial.deviation)}"
    return (
        f"{trial.number}{' (chosen)' * best}",
        f"{number(trial.value)}{spread}",
        seconds(trial.seconds),
        trial.state,
        plain(trial.config),
    )
