import pytest

from scoreline_registry.errors import InvalidError
from scoreline_registry.routing.planning import next_document, written_schema
from scoreline_registry.routing.route_file import read_route, write_route

WHOLE = """\
route: credit
schema:
  features: {income: number, "no": number, status: category}
  sequence: {features: [balance, spend], max_length: 90}
unit: context.household
salt: credit-2026q4
rules:
  - when: {segment: {in: [premium, private]}}
    split: {credit-lgbm@champion: 90, credit-lstm@3: 10}
  - split: {credit-lgbm@champion: 66.6667, credit-logit@1: 33.3333}
holdout: 5
fallback: credit-logit@champion
"""


def test_a_whole_route_is_read_as_written() -> None:
    route = read_route(WHOLE, source="credit.yaml")
    assert list(route.input_schema.features) == ["income", "no", "status"]
    assert route.unit == "context.household"
    assert str(route.rules[1].split["credit-logit@1"]) == "33.3333"
    assert route.rules[0].when == {"segment": {"in": ["premium", "private"]}}


def test_a_written_route_reads_and_applies_without_a_change() -> None:
    first = read_route(WHOLE, source="credit.yaml")
    stored = next_document(first, schema=written_schema(first.input_schema), before=None)
    again = read_route(write_route(stored), source="shown")
    assert next_document(again, schema=written_schema(again.input_schema), before=stored) == stored


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("rules:", "rulez:", "unknown key 'rulez'; did you mean 'rules'?"),
        ("max_length:", "maxlength:", r"schema\.sequence: unknown key 'maxlength'; did you mean 'max_length'\?"),
        ("when:", "whem:", r"rules\.0: unknown key 'whem'; did you mean 'when'\?"),
        ("fallback:", "zzz:", "unknown key 'zzz'; use route, schema, unit"),
        ("{in:", "{inn:", "rules.0.when: segment: there is no operator 'inn'; did you mean 'in'"),
        ("credit-lstm@3: 10", "credit-lstm@3: 11", r"rules\.0: the weights .* total 101, not 100"),
        ("credit-lstm@3: 10", "credit-lstm: 10", "write model@version or model@alias"),
        ("credit-lstm@3: 10", "credit-lstm@3: ten", "write a number of percent, not 'ten'"),
        ("credit-lstm@3: 10", "credit-lstm@3: 10.00001", "more than 4 decimal places"),
        (
            "  - split: {credit-lgbm@champion: 66.6667, credit-logit@1: 33.3333}\n",
            "",
            "the last rule must have no `when`",
        ),
        ("holdout: 5", "holdout: 101", "holdout: 101 is not between 0 and 100"),
        ("holdout: 5", "holdout: 5\nholdout: 6", "line 12: duplicate key 'holdout'"),
        ("income: number", "income: number, income: category", "line 3: duplicate key 'income'"),
        ('"no": number', "no: number", "line 3: the key no is not text: put quotes around it"),
        ('"no": number', "7: number", "line 3: the key 7 is not text"),
        ("income: number", "income: text", "features.income: Input should be 'number' or 'category'"),
        ("unit: context.household", "unit: household", "write 'entity_id' or 'context.<key>'"),
        ("unit: context.household", "unit: context.", "not a valid name"),
        ("salt: credit-2026q4", 'salt: "a\\0b"', "not a valid name"),
        ("salt: credit-2026q4", "salt: [a]", "salt: Input should be a valid string"),
        ("schema:\n", "schema:\n  like: credit@1\n", "not both"),
        ("schema:\n", "schma:\n", "schema: is missing: list the `features`"),
        ("route: credit\n", "", "route: is missing"),
        ("route: credit", "route: ../credit", "not a valid name"),
        ("route: credit", "route: credit: x", "line 1: mapping values are not allowed here"),
        ("route: credit", "route: [credit", "line 2: "),
        ("route: credit", "route: !!python/object/apply:os.system [id]", "line 1: could not determine a constructor"),
        ("route: credit", "route: \x07", "it is not YAML"),
    ],
)
def test_a_mistake_is_named_where_it_stands(old: str, new: str, problem: str) -> None:
    assert old in WHOLE
    with pytest.raises(InvalidError, match=problem) as caught:
        read_route(WHOLE.replace(old, new, 1), source="credit.yaml")
    assert str(caught.value).startswith("credit.yaml: ")


@pytest.mark.parametrize("text", ["", "[]", "route", "--- 1\n--- 2", "[" * 2_000])
def test_what_is_no_mapping_is_no_route(text: str) -> None:
    with pytest.raises(InvalidError):
        read_route(text, source="x")


def test_several_mistakes_are_all_told() -> None:
    with pytest.raises(InvalidError) as caught:
        read_route(WHOLE.replace("holdout: 5", "holdout: -1").replace("unit: context", "unit: contxt"), source="x")
    assert len(caught.value.problems) == 2


def test_unknown_keys_are_told_with_all_other_mistakes() -> None:
    faulty = WHOLE.replace("holdout: 5", "holdout: -1\nholdup: 1").replace("credit-lstm@3: 10", "credit-lstm: 10")
    with pytest.raises(InvalidError) as caught:
        read_route(faulty.replace("max_length:", "maxlength:"), source="x")
    assert sorted(error.partition(":")[0] for error in caught.value.problems) == [
        "holdout",
        "rules.0.split.credit-lstm",
        "schema.sequence",
        "schema.sequence.max_length",
        "unknown key 'holdup'; did you mean 'holdout'?",
    ]
    assert "such as credit-lstm@champion" in str(caught.value)


def test_a_faulty_rule_is_not_said_to_be_missing_as_well() -> None:
    with pytest.raises(InvalidError) as caught:
        read_route(WHOLE.replace("90, credit-lstm@3", "80, credit-lstm@3").replace("66.6667", "60"), source="f")
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["rules.0", "rules.1"]
    with pytest.raises(InvalidError, match="rules: Tuple should have at least 1 item"):
        read_route("{route: a, schema: {features: {x: number}}, rules: []}", source="f")
