"""What pages take for granted: registries with a past, models from elsewhere, a journal with rows."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import onnx
import polars as pl
from onnx import TensorProto, helper, numpy_helper

import scoreline
from scoreline.testing import FakeServer
from scoreline_registry.documents.contract import Band
from scoreline_registry.history.changes import SetAlias, SetLabels
from scoreline_registry.registry import Registry
from scoreline_server.journal.reading.reader import read_records
from tests.server.routes import apply
from tests.server.toys import publish_linear

_ROUTE = """
route: credit
schema:
  features: {income: number, age: number, debt: number}
rules:
  - split: {credit@champion: 100}
"""


_EXPERIMENT = """
route: credit
schema:
  features: {income: number, age: number, debt: number}
salt: credit-2026q4
rules:
  - when: {segment: {in: [premium, private]}}
    layer: pricing
    split: {credit-lgbm@champion: 90, credit-lstm@3: 10}
  - split: {credit-lgbm@champion: 100}
testers: {employee-17: credit-lstm@3}
holdout: 5
"""


def route_with_an_experiment(folder: Path) -> None:
    """A route with a tester, a holdout and a rule that splits."""
    registry = Registry.create(folder / "registry")
    publish_linear(registry, "credit-lgbm", aliases=("champion",))
    for _ in range(3):
        publish_linear(registry, "credit-lstm")
    apply(registry, _EXPERIMENT)


def registry_with_two_versions(folder: Path) -> None:
    """Two versions of credit."""
    registry = Registry.create(folder / "registry")
    for slope in (1.0, 0.9):
        publish_linear(registry, "credit", (slope, 0.0, 0.1))


def registry_with_a_past(folder: Path) -> None:
    """Seven versions of credit, a route of that name, more than 41 revisions, and a second registry."""
    Registry.create(folder / "srv" / "prod-registry")
    registry = Registry.create(folder / "registry")
    aliases = {3: ("stable",), 5: ("champion",)}
    for version in range(7):
        publish_linear(registry, "credit", (1.0, 0.1 * version, 0.0), aliases=aliases.get(version, ()))
    apply(registry, _ROUTE)
    (folder / "credit.yaml").write_text(_ROUTE + "holdout: 5\n")
    for number in range(registry.latest().revision, 42):
        registry.commit(SetLabels("credit", {"country": f"c{number}"}), author="tester", message="a past")


def models_from_elsewhere(folder: Path) -> None:
    """A classifier, a detector, a ranker with an example of its inputs, and a model repository."""
    Registry.create(folder / "registry")
    (folder / "credit.onnx").write_bytes(_classifier())
    (folder / "detector.onnx").write_bytes(_sum_of("signal"))
    (folder / "ranker.onnx").write_bytes(_sum_of("items"))
    np.savez(folder / "example.npz", items=np.ones((2, 3), "f4"))
    version = folder / "models" / "spend" / "1"
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(_sum_of("spend"))


def repository_of_another_server(folder: Path) -> None:
    """An MLflow model and the repository of a Triton server."""
    Registry.create(folder / "registry")
    (folder / "mlflow_model").mkdir()
    (folder / "mlflow_model" / "model.onnx").write_bytes(_classifier())
    version = folder / "models" / "credit" / "1"
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(_classifier())


def journal_with_rows(folder: Path) -> None:
    """A registry that was served and asked, and the journals of two hosts."""
    registry = Registry.create(folder / "registry")
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    journal = folder / "registry-journal"
    with (
        FakeServer(registry=folder / "registry", journal_dir=str(journal)) as server,
        scoreline.Client(server.target) as client,
    ):
        client.score_many("credit", {"income": [1.0, 2.0, 3.0]}, entity_ids=["a", "b", "c-17"])
    for host in ("host-a", "host-b"):
        shutil.copytree(journal, folder / host / "journal")


def journal_of_two_revisions(folder: Path) -> None:
    """The journal of a route whose champion was version 1 of credit, then version 2; nobody has served version 3."""
    registry = Registry.create(folder / "registry")
    bands = (Band(name="low", from_score=0.0), Band(name="high", from_score=0.6))
    for slope in (1.0, 0.9, 1.1):
        publish_linear(registry, "credit", (slope, 0.0, 0.1), bands=bands)
    customers = {"income": [at / 25 - 2 for at in range(100)], "debt": [at % 7 / 7 for at in range(100)]}
    for version in (1, 2):
        registry.commit(SetAlias("credit", "champion", version), author="ana", message="a new champion")
        apply(registry, _ROUTE)
        with (
            FakeServer(registry=folder / "registry", journal_dir=str(folder / "registry-journal")) as server,
            scoreline.Client(server.target) as client,
        ):
            client.score_many("credit", customers, entity_ids=[f"c{at}" for at in range(100)])


def scored_rows_with_labels(folder: Path) -> None:
    """A journal of three rows, and tables that say what became of them: by prediction ids and by units."""
    journal_with_rows(folder)
    ids = [id_ for records in read_records([folder / "registry-journal"]) for id_ in records.columns["prediction_id"]]
    labels = [f"{id_},{at % 2},2026-03-0{at + 1}" for at, id_ in enumerate(ids)]
    (folder / "labels.csv").write_text("\n".join(["prediction_id,defaulted,observed_at", *labels, ""]))
    (folder / "spend.csv").write_text("unit,name,value,observed_at\na,spend,12.5,2026-03-01\nb,spend,0,2026-03-01\n")


def files_of_purchases(folder: Path) -> None:
    """Purchases as a shop's table, and events of the year before."""
    rows = [f"{day},c-{day % 20},2026-10-{day % 28 + 1:02},{day % 7 + 1}.5,food" for day in range(100)]
    (folder / "purchases.csv").write_text("\n".join(["id,customer,time,total,category", *rows, ""]))
    past = {"entity_id": ["c-17", "c-18"], "time": ["2025-05-01", "2025-06-01"], "type": ["referral", "purchase"],
            "amount": [None, 7.0], "referrer": ["c-3", None]}  # fmt: skip
    pl.DataFrame(past).with_columns(pl.col("time").str.to_datetime()).write_parquet(folder / "history.parquet")


def files_of_loans_and_orders(folder: Path) -> None:
    """Loans with their outcomes, customers and limits; orders of two years with segments."""
    (folder / "loans.csv").write_text("loan_id,customer_id,granted_on,amount\n1,7,2024-02-01,500\n2,8,2024-03-01,900\n")
    (folder / "outcomes.csv").write_text("loan_id,defaulted\n1,0\n2,1\n")
    (folder / "customers.csv").write_text("customer_id,age\n7,30\n8,40\n8,41\n")
    limits = pl.DataFrame({"customer_id": [7, 7], "valid_from": ["2024-01-01", "2024-02-15"], "cards": [1, 2]})
    limits.write_parquet(folder / "limits.parquet")
    draw = np.random.default_rng(0)
    days = [f"{2023 + day // 336}-{day // 28 % 12 + 1:02}-{day % 28 + 1:02}" for day in draw.integers(0, 800, 300)]
    status = draw.choice(["kept", "returned"], 300).tolist()
    columns = {"customer_id": draw.integers(0, 9, 300), "ordered_at": days, "amount": draw.gamma(2, 9, 300)}
    orders = pl.DataFrame({**columns, "status": status}).write_csv()
    (folder / "orders.csv.gz").write_bytes(gzip.compress(orders.encode()))
    (folder / "segments.csv").write_text("customer_id,valid_from,segment\n1,2023-01-01,new\n1,2024-06-01,loyal\n")


def _classifier() -> bytes:
    """``input`` float32 [N, 3] to ``probabilities`` float32 [N, 2], as classifiers of other tools look."""
    weights = numpy_helper.from_array(np.array([[-0.1, 0.1], [0.2, -0.2], [0.0, 0.3]], "f4"), "weights")
    nodes = [
        helper.make_node("MatMul", ["input", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    return _model(
        nodes, "input", helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2]), [weights]
    )


def _sum_of(name: str) -> bytes:
    """An input float32 [N, 3] to ``total`` float32 [N]."""
    axis = numpy_helper.from_array(np.array([1]), "axis")
    node = helper.make_node("ReduceSum", [name, "axis"], ["total"], keepdims=0)
    return _model([node], name, helper.make_tensor_value_info("total", TensorProto.FLOAT, ["N"]), [axis])


def _model(
    nodes: list[onnx.NodeProto], name: str, output: onnx.ValueInfoProto, constants: list[onnx.TensorProto]
) -> bytes:
    source = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph(nodes, "elsewhere", [source], [output], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()
