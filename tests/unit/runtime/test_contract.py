"""What a body may hold, and what is said about one that does not fit."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy_runtime.bundle import Graph, Input, Manifest, Outputs, Tensor
from mldeploy_runtime.contract import Asked, Contract, build_contract, has_more_commas
from mldeploy_runtime.problems import FieldError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

INPUTS = (
    Input("age", "float", nullable=True),
    Input("visits", "int", nullable=False),
    Input("member", "bool", nullable=False),
    Input("plan", "string", nullable=True, categories=("free", "pro"), unknown="reject"),
    Input("city", "string", nullable=False, categories=("Rome",), unknown="ignore"),
    Input("grade", "int", nullable=False, categories=(1, 2), unknown="reject"),
)
MANIFEST = Manifest(
    name="model",
    version="1",
    bundle_id="0",
    task="classifier",
    inputs=INPUTS,
    outputs=Outputs(classes=(0, 1)),
    graph=Graph(
        tensors=(
            Tensor("x", "float64", ("age", "visits", "grade")),
            Tensor("b", "bool", ("member",)),
            Tensor("s", "string", ("plan", "city")),
        ),
        label="label",
        probabilities="probabilities",
    ),
)
ROW: dict[str, Any] = {"age": 41.5, "visits": 3, "member": True, "plan": "pro", "city": "Rome", "grade": 2}
VALUES = tuple(ROW.values())


@pytest.fixture(scope="module")
def contract() -> Contract:
    return build_contract(MANIFEST, max_rows=5)


def refusal(contract: Contract, body: bytes) -> Problem:
    with pytest.raises(Problem) as caught:
        contract.decode(body)
    return caught.value


def instances(*rows: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"instances": list(rows), **more}).encode()


def columns(**changes: Any) -> bytes:
    return json.dumps({"columns": {name: [value] for name, value in ROW.items()} | changes}).encode()


def test_instances_become_rows_in_the_order_of_the_inputs(contract: Contract) -> None:
    backwards = dict(reversed(ROW.items()))
    assert contract.decode(instances(ROW, backwards)).rows == [VALUES, VALUES]


def test_columns_become_the_same_rows(contract: Contract) -> None:
    body = json.dumps({"columns": {name: [value, value] for name, value in ROW.items()}}).encode()
    assert contract.decode(body).rows == [VALUES, VALUES]


def test_null_is_missing_where_the_field_is_nullable(contract: Contract) -> None:
    assert contract.decode(instances(ROW | {"age": None, "plan": None})).rows[0][0] is None


def test_an_integer_is_a_number(contract: Contract) -> None:
    assert contract.decode(instances(ROW | {"age": 41})).rows[0][0] == 41.0


def test_an_unseen_category_passes_where_the_encoder_ignores_it(contract: Contract) -> None:
    assert contract.decode(instances(ROW | {"city": "Oslo"})).rows[0][4] == "Oslo"


def test_a_threshold_is_taken_from_the_request(contract: Contract) -> None:
    assert contract.decode(instances(ROW, threshold=0.3)).threshold == 0.3
    assert contract.decode(instances(ROW)).threshold is None


@pytest.mark.parametrize(
    ("field", "value", "got", "expected"),
    [
        ("age", "41.5", '"41.5"', "a number, or null"),
        ("age", True, "true", "a number, or null"),
        ("age", [1.0], "a list of 1", "a number, or null"),
        ("visits", None, "null", "an integer from -9007199254740992 to 9007199254740992"),
        ("visits", 3.0, "3.0", "an integer from -9007199254740992 to 9007199254740992"),
        ("visits", 2**53 + 1, "9007199254740993", "an integer from -9007199254740992 to 9007199254740992"),
        ("visits", True, "true", "an integer from -9007199254740992 to 9007199254740992"),
        ("member", 1, "1", "true or false"),
        ("member", None, "null", "true or false"),
        ("plan", "gold", '"gold"', 'one of "free", "pro", or null'),
        ("plan", 7, "7", 'one of "free", "pro", or null'),
        ("city", None, "null", "a string"),
        ("city", {"name": "Rome"}, "an object", "a string"),
        ("grade", 3, "3", "one of 1, 2"),
        ("grade", 1.0, "1.0", "one of 1, 2"),
    ],
)
@pytest.mark.parametrize("shape", ["instances", "columns"])
def test_a_value_that_does_not_fit_is_named(
    contract: Contract, shape: str, field: str, value: Any, got: str, expected: str
) -> None:
    body = instances(ROW | {field: value}) if shape == "instances" else columns(**{field: [value]})
    problem = refusal(contract, body)
    assert problem.kind == "invalid-input"
    assert problem.errors == (FieldError(got, expected, 0, field),)


def test_every_mistake_is_listed_with_its_row(contract: Contract) -> None:
    problem = refusal(contract, instances(ROW, ROW | {"age": "x", "member": 0}, ROW | {"visits": 0.5}))
    assert [(error.row, error.field) for error in problem.errors] == [(1, "age"), (1, "member"), (2, "visits")]


def test_a_flood_of_mistakes_is_cut_short(contract: Contract) -> None:
    problem = refusal(contract, instances(*[ROW | {"age": "x"}] * 1000))
    assert len(problem.errors) == 100
    assert problem.detail == "More than 100 things in the input did not fit; these are the first."


def test_a_missing_and_an_unknown_key_are_named(contract: Contract) -> None:
    row = {name: value for name, value in ROW.items() if name != "plan"} | {"plans": "pro"}
    problem = refusal(contract, instances(row))
    assert [(error.field, error.got) for error in problem.errors] == [
        ("plan", "no such key"),
        ("plans", "an unknown key"),
    ]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda text: text.replace('"age": 41.5', '"age": 1, "age": 41.5'), ("age", 0)),
        (lambda text: text.replace('"age": 41.5', '"age": 1, "\\u0061ge": 41.5'), ("age", 0)),
        (lambda text: text.replace('"instances"', '"instances": [], "instances"'), ("instances", None)),
        (lambda text: text.replace("{", '{"threshold": 0.1, "threshold": 0.2,', 1), ("threshold", None)),
    ],
)
def test_a_key_that_came_twice_is_refused(
    contract: Contract, change: Callable[[str], str], where: tuple[str, int | None]
) -> None:
    problem = refusal(contract, change(instances(ROW).decode()).encode())
    assert where in [(error.field, error.row) for error in problem.errors]


def test_colons_in_text_are_no_duplicate_keys(contract: Contract) -> None:
    assert contract.decode(instances(ROW | {"city": "::a:b"})).rows[0][4] == "::a:b"


@pytest.mark.parametrize(
    ("body", "got", "expected"),
    [
        (b"[]", "a list of 0", 'an object, such as {"instances": [...]}'),
        (b"null", "null", 'an object, such as {"instances": [...]}'),
        (b"{}", "neither", "either instances or columns"),
        (b'{"instances": []}', "a list of 0", "a list of at least one object"),
        (b'{"instances": {}}', "an object", "a list of at least one object"),
        (b'{"instances": [[1, 2]]}', "a list of 2", "an object with the model's fields"),
        (b'{"columns": [1]}', "a list of 1", "an object with one list a field"),
        (instances(ROW, columns={name: [value] for name, value in ROW.items()}), "both", "either instances or columns"),
        (instances(ROW, threshold=1.5), "1.5", "a number from 0 to 1"),
        (instances(ROW, threshold=None), "null", "a number from 0 to 1"),
        (instances(ROW, limit=3), 'the key "limit"', 'one of "columns", "instances", "threshold"'),
        (columns(age=[1.0, 2.0]), "2 values", "1 as in the other columns"),
        (columns(age=41.5), "41.5", "a list"),
    ],
)
def test_a_wrong_shape_is_explained(contract: Contract, body: bytes, got: str, expected: str) -> None:
    problem = refusal(contract, body)
    assert (problem.kind, problem.errors[0].got, problem.errors[0].expected) == ("invalid-input", got, expected)


def test_empty_columns_are_refused(contract: Contract) -> None:
    problem = refusal(contract, json.dumps({"columns": {name: [] for name in ROW}}).encode())
    assert {(error.got, error.expected) for error in problem.errors} == {("0 values", "at least one")}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "The body is empty."),
        (b" \n", "The body is empty."),
        (b'{"instances": [', "Input data was truncated."),
        (b"\xff", "JSON is malformed: invalid character (byte 0)."),
        (instances(ROW).replace(b"Rome", b"R\xf6me"), "The body holds bytes that are not UTF-8."),
        (
            instances(ROW).replace(b"Rome", b"\\ud800"),
            "JSON is malformed: unexpected end of escaped utf-16 surrogate pair (byte 88).",
        ),
        (instances(ROW) + b"{}", "JSON is malformed: trailing characters (byte 103)."),
        (b"[" * 100_000, "The body is nested too deeply."),
        (b"\xef\xbb\xbf" + instances(ROW), "JSON is malformed: invalid character (byte 0)."),
    ],
)
def test_what_is_no_json_is_told_from_what_does_not_fit(contract: Contract, body: bytes, detail: str) -> None:
    problem = refusal(contract, body)
    assert (problem.kind, problem.detail) == ("malformed-json", detail)


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity"])
def test_the_remedy_for_a_literal_that_json_lacks_is_null(contract: Contract, literal: bytes) -> None:
    problem = refusal(contract, instances(ROW).replace(b"41.5", literal))
    assert problem.kind == "malformed-json"
    assert "send null" in problem.detail


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"1" + b"0" * 400])
def test_a_number_beyond_a_double_is_refused(contract: Contract, number: bytes) -> None:
    problem = refusal(contract, instances(ROW).replace(b"41.5", number))
    assert problem.errors == (FieldError("a number beyond the range of a double", "a number, or null", 0, "age"),)


def test_a_number_of_thousands_of_digits_is_refused(contract: Contract) -> None:
    problem = refusal(contract, instances(ROW).replace(b"41.5", b"1" * 5000))
    assert problem.kind == "invalid-input"
    assert problem.detail.startswith("Integer value out of range")


def test_more_rows_than_the_limit_are_too_large(contract: Contract) -> None:
    assert refusal(contract, instances(*[ROW] * 6)).kind == "too-large"
    assert len(contract.decode(instances(*[ROW] * 5)).rows) == 5


@pytest.mark.parametrize(
    "body",
    [
        b'{"columns":{"age":[' + b"1.5," * 4_000_000 + b"1.5]}}",
        b'{"columns":{"city":[' + b'"a,",' * 3_000_000 + b'"a"]}}',
        b'{"instances":[' + b"{}," * 5_000_000 + b"{}]}",
    ],
    ids=["numbers", "texts", "rows"],
)
def test_a_flood_of_values_never_becomes_objects(body: bytes) -> None:
    contract = build_contract(MANIFEST, max_rows=10_000)
    tracemalloc.start()
    try:
        problem = refusal(contract, body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert problem.kind == "too-large"
    assert peak < 1_000_000


@pytest.mark.parametrize(
    "city", ["Rome", "Rome, Italy, " * 500, ',"' * 3000, "\\," * 3000, '\\",' * 3000, "\n,é" * 2000]
)
def test_commas_in_text_are_no_values(contract: Contract, city: str) -> None:
    rows = [ROW | {"city": city}] * 5
    assert len(contract.decode(instances(*rows)).rows) == 5
    assert len(contract.decode(columns(**{name: [row[name] for row in rows] for name in ROW})).rows) == 5


@given(
    st.recursive(
        st.none() | st.floats() | st.text(',"\\[é'),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(',"'), inner),
    )
)
def test_commas_outside_of_text_are_counted_exactly(value: Any) -> None:
    def commas(value: Any) -> int:
        inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        return max(len(inner) - 1, 0) + sum(map(commas, inner))

    text, count = json.dumps(value).encode(), commas(value)
    assert not has_more_commas(text, count)
    assert has_more_commas(text, count - 1)


def test_a_threshold_is_refused_by_a_model_without_one() -> None:
    manifest = Manifest(
        **{name: getattr(MANIFEST, name) for name in MANIFEST.__struct_fields__} | {"outputs": Outputs((0, 1, 2))}
    )
    problem = refusal(build_contract(manifest, 5), instances(ROW, threshold=0.5))
    assert problem.errors[0].expected == "no threshold: this model has none to set"


def test_identifiers_beyond_2_to_53_pass_where_the_tensor_is_int64() -> None:
    manifest = Manifest(
        **{name: getattr(MANIFEST, name) for name in MANIFEST.__struct_fields__}
        | {
            "inputs": (Input("id", "int", nullable=False),),
            "graph": Graph(tensors=(Tensor("id", "int64", ("id",)),), label="label"),
        }
    )
    contract = build_contract(manifest, 5)
    assert contract.decode(b'{"instances": [{"id": 9223372036854775807}]}').rows == [(2**63 - 1,)]
    assert refusal(contract, b'{"instances": [{"id": 9223372036854775808}]}').kind == "invalid-input"


def _outcome(contract: Contract, body: bytes) -> tuple[Asked | None, Problem | None]:
    try:
        return contract.decode(body), None
    except Problem as problem:
        return None, problem


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(["free", "pro", "Rome", 1, 2]),
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2)
)
rows = st.fixed_dictionaries({name: st.just(value) | anything for name, value in ROW.items()}) | anything
bodies = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "instances": st.lists(rows, max_size=3) | anything,
            "columns": st.fixed_dictionaries(
                {name: st.just([value]) | st.lists(anything, max_size=2) for name, value in ROW.items()}
            )
            | anything,
            "threshold": st.just(0.5) | anything,
        },
    ),
    anything,
)


@given(bodies)
def test_what_is_refused_is_pointed_at_and_what_passes_is_unchanged(body: Any) -> None:
    contract = build_contract(MANIFEST, max_rows=5)
    asked, problem = _outcome(contract, json.dumps(body).encode())
    if problem is not None:
        assert problem.errors
    elif asked is not None:
        given_rows = body.get("instances") or [
            dict(zip(body["columns"], values, strict=True)) for values in zip(*body["columns"].values(), strict=True)
        ]
        assert asked.rows == [tuple(row[name] for name in ROW) for row in given_rows]


@given(st.binary(max_size=200))
def test_no_bytes_end_in_anything_but_a_problem(body: bytes) -> None:
    contract = build_contract(MANIFEST, max_rows=5)
    with pytest.raises(Problem):
        contract.decode(body)
