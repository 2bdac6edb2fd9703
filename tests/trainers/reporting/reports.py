"""A version's report in which every part is filled, for the tests of its renderings."""

from datetime import UTC, datetime

import numpy as np

from scoreline_registry.documents.contract import Band, Feature, InputContract, Points, ScoreContract, SequenceContract
from scoreline_registry.documents.manifest import FileDigest, GoldenFacts, Manifest, ParityFacts, TrainingFacts
from scoreline_trainers.evaluation.bands.summary import BandSummary
from scoreline_trainers.evaluation.document import (
    BestCut,
    Calibration,
    CalibrationBin,
    Confusion,
    Curve,
    Cut,
    Decile,
    Evaluation,
    FairnessGroup,
    FairnessTable,
    FoldFigures,
    GroupFigures,
    Interval,
    LeadTime,
    OverTime,
    PeriodFigures,
    Spread,
)
from scoreline_trainers.explanation.document import (
    Contribution,
    Dependence,
    Explanation,
    Importance,
    Interaction,
    ReferenceFacts,
    SummaryRow,
    Waterfall,
)
from scoreline_trainers.profiling.document import (
    Bin,
    ColumnProfile,
    Finding,
    LabelProfile,
    Quantiles,
    TableProfile,
    ValueCount,
)
from scoreline_trainers.reporting.document import (
    Candidacy,
    Publication,
    RunReport,
    SearchFacts,
    SelectionFacts,
    StageFacts,
    Trial,
    VersionReport,
)

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUC = Interval(value=0.81, low=0.79, high=0.83, method="DeLong")
RATE = Interval(value=0.2, low=0.18, high=0.22, method="Wilson")
FOLD_METRICS = {f"metric_of_a_fold_{place}": 0.1234 for place in range(14)}
COUNTS = Confusion(true_positives=120, false_positives=80, true_negatives=720, false_negatives=80)


def whole_report(name: str = "income") -> VersionReport:
    """Everything that a report can hold; ``name`` is that of a feature, which occurs in every part."""
    return VersionReport(
        model="credit",
        manifest=_manifest(name),
        publication=Publication(
            version=7, published_at=MOMENT, author="anna", message="with the new bureau", aliases=("champion",)
        ),
        run=_run(name),
        explanation=_explanation(name),
    )


def bare_report() -> VersionReport:
    """A version of which only the manifest is known."""
    return VersionReport(model="credit", manifest=_manifest("income"))


def _manifest(name: str) -> Manifest:
    features = (
        Feature(name=name, required=True, min=0),
        Feature(name="city", kind="category", vocabulary=("lima", "oslo"), sensitive=True),
    )
    return Manifest(
        family="lightgbm",
        inputs=InputContract(features=features, sequence=SequenceContract(features=("paid",), max_length=6)),
        score=ScoreContract(
            meaning="probability of default",
            bands=(Band(name="low", from_score=0), Band(name="high", from_score=0.5)),
            points=Points(base=600, odds=50, pdo=20),
        ),
        metrics={"auc": 0.81, "brier": 0.14},
        parity=ParityFacts(rows=2000, max_difference=2e-7, tolerance=1e-5),
        golden=GoldenFacts(rows=64, tolerance=1e-5),
        training=TrainingFacts(
            rows=4000,
            positives=800,
            seconds=3.21,
            data="credit.csv",
            validation_rows=1000,
            data_sha256="a" * 64,
            recipe={
                "validation": {"kind": "random", "fraction": 0.2},
                "seed": 3,
                "engineered": [{"kind": "log1p", "of": name}],
                "config": {"num_leaves": 31, "members": [{"family": "mlp"}, {"family": "logistic"}]},
            },
            libraries={"python": "3.11.9", "lightgbm": "4.6.0"},
        ),
        created_at=MOMENT,
        files={"model.onnx": FileDigest(sha256="b" * 64, bytes=12_345)},
    )


def _run(name: str) -> RunReport:
    return RunReport(
        description="Loans of a bank.",
        limits=("Not for loans to firms.",),
        described={"trees": 80},
        warnings=(f"column {name!r} has one value in all training rows",),
        bands=(BandSummary("low", 0, 800, 0.1), BandSummary("high", 0.5, 200, 0.6)),
        profile=_profile(name),
        evaluation=_evaluation(name),
        search=SearchFacts(
            metric="auc",
            trials=(
                Trial(number=0, config={"num_leaves": 15}, value=0.8, deviation=0.01, seconds=2.0),
                Trial(number=1, config={"num_leaves": 31}, value=0.81, deviation=0.02, seconds=3.0),
                Trial(number=2, config={"num_leaves": 63}, state="pruned"),
            ),
            best=1,
            seconds=6.5,
            space={"num_leaves": "15 to 63"},
        ),
        selection=SelectionFacts(
            method="permutation importance",
            features=(
                Candidacy(name=name, importance=0.1, kept=True),
                Candidacy(name="noise", importance=-0.001, kept=False, reason="no better than noise"),
            ),
        ),
        stages=(
            StageFacts(title="encode the table", seconds=0.4, peak_bytes=300 * 2**20),
            StageFacts(title="fit", seconds=3.2, peak_bytes=500 * 2**20),
        ),
    )


def _profile(name: str) -> TableProfile:
    number = ColumnProfile(
        name=name,
        kind="number",
        type="Float64",
        missing=0.05,
        unique=900,
        histogram=tuple(Bin(low=place, high=place + 1, rows=10 * place) for place in range(20)),
        quantiles=Quantiles(min=0, p01=1, p25=20, median=30, p75=40, p99=80, max=95),
        null_texts=(ValueCount(value="NA", rows=50),),
        label_auc=0.71,
        flags=("heavy_tail",),
    )
    city = ColumnProfile(
        name="city",
        kind="category",
        type="String",
        missing=0,
        unique=2,
        top=(ValueCount(value="lima", rows=600), ValueCount(value="oslo", rows=400)),
    )
    return TableProfile(
        rows=5000,
        columns=(number, city),
        label=LabelProfile(name="late", task="binary", positive="yes", rate=0.2),
        unit="customer",
        units=4800,
        findings=(
            Finding(severity="warning", kind="leak", column=name, text="predicts the label alone", advice="exclude it"),
            Finding(
                severity="note", kind="heavy_tail", column=name, text="has a long tail", advice="take its logarithm"
            ),
        ),
    )


def _evaluation(name: str) -> Evaluation:
    steps = np.linspace(0, 1, 50)
    curve = Curve(x=tuple(steps.tolist()), y=tuple(np.sqrt(steps).tolist()))
    metrics = {"auc": AUC, "average_precision": Interval(value=0.6, low=0.55, high=0.65), "brier": Interval(value=0.14)}
    cut = Cut(
        name="band high", score=0.5, confusion=COUNTS, selected=0.2, precision=RATE, recall=RATE, f1=0.6, profit=0.3
    )
    group = {"rows": 500, "positives": 100, "rate": RATE, "mean_score": 0.21, "metrics": {"auc": AUC}}
    return Evaluation(
        rows=1000,
        positives=200,
        metrics=metrics,
        roc=curve,
        precision_recall=curve,
        calibration=Calibration(
            bins=tuple(
                CalibrationBin(
                    rows=100, score=place / 10, observed=Interval(value=place / 9, low=place / 11, high=place / 8)
                )
                for place in range(1, 8)
            ),
            slope=Interval(value=1.02, low=0.9, high=1.1),
        ),
        deciles=tuple(
            Decile(
                number=place, rows=100, positives=40 - 4 * place, lowest=1 - place / 10, highest=1.1 - place / 10,
                mean_score=1.05 - place / 10, rate=(40 - 4 * place) / 100, lift=(40 - 4 * place) / 20,
                cumulative_lift=2.0, gain=min(place / 8, 1), ks=0.4,
            )
            for place in range(1, 11)
        ),
        cuts=(cut,),
        best_cut=BestCut(
            costs={"false_positive": 1, "false_negative": 5}, cut=cut, profit=Interval(value=0.3, low=0.2, high=0.4),
            select_all=-0.1, select_none=0.0, curve=curve,
        ),
        by_segment={name: (GroupFigures(name="0 to 20", **group), GroupFigures(name=name, note="few rows", **group))},
        over_time=OverTime(
            column="applied", period="month",
            periods=tuple(
                PeriodFigures(name=f"2026-{month:02}", start=f"2026-{month:02}-01", **group) for month in (1, 2, 3)
            ),
        ),
        fairness={
            "city": FairnessTable(
                column="city", cut=0.5, favorable="below", reference="lima", selection_ratio=0.7,
                groups=(
                    FairnessGroup(name="lima", rows=600, positives=100, rate=RATE, selected=RATE),
                    FairnessGroup(
                        name=name, rows=400, positives=100, rate=RATE, selected=RATE, ratio=Interval(value=0.7)
                    ),
                ),
                flags=(f"{name}: the share of favorable decisions is 0.70 of lima's",),
            )
        },
        folds=tuple(
            FoldFigures(
                fold=fold, training_rows=4000, rows=200, positives=40, metrics={"auc": 0.8 + fold / 100} | FOLD_METRICS
            )
            for fold in range(5)
        ),
        fold_spread={"auc": Spread(mean=0.82, deviation=0.0158, low=0.8, high=0.84)},
        lead_time=(
            LeadTime(
                unit="steps", false_alarm_rate=0.05, cut=0.4, entities=80, warned=Interval(value=0.7),
                median=Interval(value=3), mean=3.2, lower_quartile=2, upper_quartile=5, shares={1: 0.7, 2: 0.6, 3: 0.4},
            ),
        ),
        test=Evaluation(evaluated_on="test rows", rows=500, positives=100, metrics={"auc": Interval(value=0.8)}),
    )  # fmt: skip


def _explanation(name: str) -> Explanation:
    draws = np.random.default_rng(5)
    contributions = tuple(draws.normal(0, 0.5, 80).tolist())
    ranks = tuple((np.arange(80) / 80).tolist())
    parts = (
        Contribution(name=name, value=12_000.0, contribution=0.8),
        Contribution(name="city", value="oslo", contribution=-0.2),
    )
    return Explanation(
        method="exact (trees)",
        exact=True,
        base_value=-1.4,
        reference=ReferenceFacts(population=100),
        rows=80,
        ranking=(
            Importance(name=name, importance=0.5, low=0.45, high=0.55, share=0.7, direction=-0.9),
            Importance(name="city", kind="category", importance=0.2, share=0.3),
        ),
        dependence=(
            Dependence(name=name, values=tuple(range(80)), contributions=contributions),
            Dependence(name="city", kind="category", values=("lima", "oslo") * 40, contributions=contributions),
        ),
        summary=(
            SummaryRow(name=name, ranks=ranks, contributions=contributions),
            SummaryRow(name="city", ranks=(None,) * 80, contributions=contributions),
        ),
        interactions=(Interaction(first=name, second="city", strength=0.05),),
        waterfalls=(Waterfall(title="highest score", score=0.9, margin=-0.8, base=-1.4, contributions=parts),),
    )
