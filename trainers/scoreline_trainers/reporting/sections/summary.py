"""The head of a report: facts, verdict, warnings, intended use, limits and the meaning of the score."""

from scoreline_trainers.reporting.blocks import Bullets, Notes, Section, Table, Text, facts
from scoreline_trainers.reporting.document import VersionReport
from scoreline_trainers.reporting.limits import intended_use as use_of
from scoreline_trainers.reporting.limits import limits as limits_of
from scoreline_trainers.reporting.text import percent, plain, seconds
from scoreline_trainers.reporting.verdict import notes_of, verdict


def head(report: VersionReport) -> Table:
    """The facts at the top of a report."""
    manifest, run = report.manifest, report.run
    found = {"family": manifest.family, "task": manifest.task}
    found |= {key: plain(value) for key, value in (run.described if run is not None else {}).items()}
    training = manifest.training
    if training is not None:
        found["training rows"] = f"{training.rows:,}"
        if training.positives is not None:
            found["positive"] = f"{training.positives:,} ({percent(training.positives / training.rows)})"
        found["trained"] = f"{manifest.created_at:%Y-%m-%d %H:%M} UTC in {seconds(training.seconds)}"
    return facts(found)


def publication(report: VersionReport) -> Table | None:
    """The registry's record of the version."""
    record = report.publication
    if record is None:
        return None
    found = {
        "version": f"{report.model}@{record.version}",
        "aliases": ", ".join(record.aliases) or "none",
        "published": f"{record.published_at:%Y-%m-%d %H:%M} UTC by {record.author}",
        "message": record.message or "none",
    }
    return facts(found)


def warnings(report: VersionReport) -> Section:
    """The verdict and what it rests on."""
    notes = notes_of(report)
    return Section("Warnings", (Text(verdict(notes)), Notes(notes)) if notes else ())


def intended_use(report: VersionReport) -> Section:
    """What the score is for."""
    return Section("Intended use", (Text(use_of(report)),))


def limits(report: VersionReport) -> Section:
    """What the score is not good for, and what was not measured."""
    lines = limits_of(report)
    return Section("Limits", (Bullets(lines),) if lines else ())


def score(report: VersionReport) -> Section:
    """The meaning of the score, its bands and points."""
    contract, run = report.manifest.score, report.run
    found: list[Text | Table] = [Text(f"{contract.meaning} ({contract.kind}).")]
    if run is not None and run.bands:
        rows = tuple((each.name, f"{each.from_score:g}", f"{each.rows:,}", percent(each.rate)) for each in run.bands)
        found.append(Table("", ("band", "from", "validation rows", "with label 1"), rows))
    elif contract.bands:
        bands = tuple((band.name, f"{band.from_score:g}") for band in contract.bands)
        found.append(Table("", ("band", "from"), bands))
    if contract.points is not None:
        points = contract.points
        text = f"Points: {points.base:g} stand for odds of {points.odds:g}:1, {points.pdo:g} double the odds."
        found.append(Text(text))
    return Section("Score", tuple(found))
