"""How good the score is on rows that the model was not trained on: metrics, curves, deciles, calibration and cuts."""

from collections.abc import Iterator
from functools import partial

from scoreline_trainers.evaluation.document import BestCut, Cut, Evaluation
from scoreline_trainers.reporting.blocks import Block, Drawing, Pictures, Section, Table, Text
from scoreline_trainers.reporting.document import VersionReport
from scoreline_trainers.reporting.pictures import curves
from scoreline_trainers.reporting.text import in_order, interval, metrics_in_order, number, percent, plain

_SENTENCE = "On {rows}, which the model was not trained on."


def quality(report: VersionReport) -> Section:
    """Metrics with intervals, on the test part too where there is one, and the curves."""
    found = report.run.evaluation if report.run is not None else None
    if found is None:
        return _from_manifest(report)
    blocks: list[Block] = [Text(_SENTENCE.format(rows=f"{found.rows:,} {found.evaluated_on}")), _metrics(found)]
    if found.classes:
        blocks.append(_classes(found))
    if drawings := tuple(_drawings(found)):
        blocks.append(Pictures(drawings))
    if found.deciles:
        blocks.append(_deciles(found))
    return Section("Quality", (*blocks, *_calibration(found)))


def cuts(report: VersionReport) -> Section:
    """Decisions at cuts, and the best cut by the recipe's costs."""
    found = report.run.evaluation if report.run is not None else None
    if found is None:
        return Section("Cuts", ())
    blocks: list[Block] = [_cuts("Decisions at cuts", found.cuts)] if found.cuts else []
    if found.best_cut is not None:
        blocks += _best(found.best_cut)
    return Section("Cuts", tuple(blocks))


def _from_manifest(report: VersionReport) -> Section:
    rows = tuple((name, number(value)) for name, value in in_order(report.manifest.metrics))
    if not rows:
        return Section("Quality", (Text("No figures of quality are known."),))
    trained = report.manifest.training is not None
    text = _SENTENCE.format(rows="validation rows") if trained else "As its publisher states them."
    return Section("Quality", (Text(text), Table("", ("metric", "value"), rows)))


def _metrics(found: Evaluation) -> Table:
    """One row per metric; the columns of the test part and of folds where they exist."""
    test = found.test.metrics if found.test is not None else {}
    columns = ["metric", "value (95 % interval)"]
    columns += ["on the test part"] if test else []
    columns += ["mean of folds ± deviation"] if found.fold_spread else []
    rows = []
    for name in metrics_in_order(found.metrics):
        row = [name, interval(found.metrics[name])]
        row += [interval(test.get(name))] if test else []
        if found.fold_spread:
            spread = found.fold_spread.get(name)
            row.append("-" if spread is None else f"{number(spread.mean)} ± {number(spread.deviation)}")
        rows.append(tuple(row))
    return Table("", tuple(columns), tuple(rows))


def _classes(found: Evaluation) -> Table:
    names = metrics_in_order(name for each in found.classes for name in each.metrics)
    rows = tuple(
        (each.name, f"{each.rows:,}", *(interval(each.metrics.get(name)) for name in names)) for each in found.classes
    )
    return Table("Classes, each against the rest", ("class", "rows", *names), rows)


def _drawings(found: Evaluation) -> Iterator[Drawing]:
    if found.roc is not None:
        yield partial(curves.roc, found.roc, found.metrics.get("auc"))
    if found.precision_recall is not None:
        rate = found.positives / found.rows if found.positives is not None and found.rows else None
        yield partial(curves.precision_recall, found.precision_recall, found.metrics.get("average_precision"), rate)
    if found.calibration.bins:
        yield partial(curves.calibration, found.calibration, amounts=found.task == "regression")
    if found.deciles:
        yield partial(curves.gain, found.deciles)
        yield partial(curves.lift, found.deciles)
    if found.confusion_matrix:
        names = tuple(each.name for each in found.classes)
        yield partial(curves.confusion, found.confusion_matrix, names)


def _deciles(found: Evaluation) -> Table:
    columns = (
        "tenth", "scores", "mean score", "rows", "positives", "rate", "lift", "lift so far", "gain", "KS",
    )  # fmt: skip
    rows = tuple(
        (
            str(each.number),
            f"{each.lowest:.4g} to {each.highest:.4g}",
            number(each.mean_score),
            f"{each.rows:,}",
            f"{each.positives:,}",
            percent(each.rate),
            f"{each.lift:.2f}",
            f"{each.cumulative_lift:.2f}",
            percent(each.gain),
            percent(each.ks),
        )
        for each in found.deciles
    )
    return Table("Tenths of the rows, the highest scores first", columns, rows, detail=True)


def _calibration(found: Evaluation) -> Iterator[Block]:
    calibration = found.calibration
    parts = {
        "intercept (0 where calibrated)": interval(calibration.intercept),
        "slope (1 where calibrated)": interval(calibration.slope),
        "calibration error by chance alone": interval(calibration.error_by_chance),
        "reliability": number(calibration.reliability),
        "resolution": number(calibration.resolution),
        "uncertainty": number(calibration.uncertainty),
    }
    known = tuple((name, value) for name, value in parts.items() if value != "-")
    if known:
        yield Table("Calibration", ("figure", "value"), known, detail=True)
    if calibration.bins:
        observed = "mean outcome" if found.task == "regression" else "rate of label 1"
        rows = tuple(
            (number(each.score), interval(each.observed, as_percent=found.task != "regression"), f"{each.rows:,}")
            for each in calibration.bins
        )
        yield Table("Calibration by score", ("mean score", f"{observed} (95 % interval)", "rows"), rows, detail=True)


def _cuts(title: str, found: tuple[Cut, ...]) -> Table:
    profit = any(cut.profit is not None for cut in found)
    columns = [
        "cut", "from score", "selected", "precision", "recall", "specificity", "F1", "true / false positives",
        "true / false negatives",
    ]  # fmt: skip
    rows = []
    for cut in found:
        counts = cut.confusion
        row = [
            cut.name,
            f"{cut.score:.4g}",
            percent(cut.selected),
            interval(cut.precision, as_percent=True),
            interval(cut.recall, as_percent=True),
            interval(cut.specificity, as_percent=True),
            number(cut.f1, 3),
            f"{counts.true_positives:,} / {counts.false_positives:,}",
            f"{counts.true_negatives:,} / {counts.false_negatives:,}",
        ]
        rows.append(tuple(row + ([number(cut.profit)] if profit else [])))
    return Table(title, (*columns, *(("profit per row",) if profit else ())), tuple(rows))


def _best(best: BestCut) -> Iterator[Block]:
    yield Text(
        f"Costs: {plain(best.costs).replace('_', ' ')}. The best cut of these rows is at {best.cut.score:.4g}, with a "
        f"profit per row of {interval(best.profit)}; to select all rows gives {number(best.select_all)}, none "
        f"{number(best.select_none)}."
        + (f" For calibrated scores it is {best.theoretical.score:.4g}." if best.theoretical is not None else "")
    )
    yield Pictures((partial(curves.profit, best),))
