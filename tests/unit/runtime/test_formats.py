"""Batches as CSV and as Arrow."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
import threading
import tracemalloc
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mldeploy_runtime.batching import Limits
from mldeploy_runtime.http import conversions
from mldeploy_runtime.http.formats import question
from tests.unit.runtime.bundles import Row, mixed_bundle, mixed_probability, numeric_bundle, regressor_bundle
from tests.unit.runtime.inprocess import Answer, InProcess, http_request

CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
ROWS: list[Row] = [
    {"age": 42.0, "plan": "pro", "member": True},
    {"age": None, "plan": None, "member": False},
    {"age": -1.5e1, "plan": 'a "new", odd\nplan', "member": True},
]
AS_CSV = 'plan,age,member\r\npro,42,true\r\n,,False\r\n"a ""new"", odd\nplan",-1.5e1,TRUE\r\n'


@pytest.fixture(scope="module")
def app() -> InProcess:
    return InProcess(mixed_bundle, max_rows=100)


def ask(app: InProcess, body: bytes | str, media: str, **headers: str) -> Answer:
    return app.ask("/predict", body.encode() if isinstance(body, str) else body, {"Content-Type": media} | headers)


def in_json(app: InProcess, rows: list[Row]) -> Any:
    return app.ask("/predict", json.dumps({"instances": rows}).encode()).json()["predictions"]


def stream(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def arrow(**columns: Any) -> bytes:
    """ROWS, but for `columns`."""
    return stream(pa.table({name: [row[name] for row in ROWS] for name in ROWS[0]} | columns))


@pytest.mark.parametrize(("body", "media"), [(AS_CSV, CSV), (arrow(), ARROW)])
def test_a_batch_is_answered_in_its_own_format_with_the_numbers_of_json(
    app: InProcess, body: bytes | str, media: str
) -> None:
    answer = ask(app, body, media, Accept="*/*")
    assert (answer.status, answer.header("content-type")) == (200, media)
    table = read(answer)
    expected = in_json(app, ROWS)
    assert list(table) == ["label", "probability:no", "probability:yes"]
    assert table["label"] == [row["label"] for row in expected]
    assert [float(value) for value in table["probability:yes"]] == [row["probabilities"]["yes"] for row in expected]
    assert [float(value) for value in table["probability:yes"]] == pytest.approx(
        [mixed_probability(row) for row in ROWS], abs=1e-6
    )


def read(answer: Answer) -> dict[str, list[Any]]:
    if answer.header("content-type") == ARROW:
        table: dict[str, list[Any]] = pa.ipc.open_stream(answer.body).read_all().to_pydict()
        return table
    head, *rows = csv.reader(io.StringIO(answer.body.decode(), newline=""))
    return {name: [row[index] for row in rows] for index, name in enumerate(head)}


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (CSV, CSV),
        ("application/json", "application/json"),
        ("text/html, application/xhtml+xml, */*;q=0.8", CSV),
        (f"{ARROW};q=0.5, application/json;q=0.9", "application/json"),
        (f"application/json;q=0, {ARROW};q=0.1", ARROW),
        ("application/json;q=much", CSV),
        ("", CSV),
    ],
)
def test_the_answers_format_may_be_chosen(app: InProcess, accept: str, media: str) -> None:
    assert ask(app, AS_CSV, CSV, Accept=accept).header("content-type") == media


def test_what_the_model_answers_is_a_column_each() -> None:
    numeric = ask(InProcess(numeric_bundle), "height,weight,visits\n1,0.5,2\n", CSV)
    assert list(read(numeric)) == ["label", "business_label", "probability:0", "probability:1"]
    regressor = ask(InProcess(regressor_bundle), "a,b\n1,1\n1,-1\n", CSV)
    assert regressor.body == b"value\r\n2.0\r\n\r\n".replace(b"\r\n\r\n", b'\r\n""\r\n')


@pytest.mark.parametrize(
    ("body", "row", "field", "got"),
    [
        ("age,plan,member\nold,pro,true", 0, "age", '"old"'),
        ("age,plan,member\n1,pro,true\n1,pro,1", 1, "member", '"1"'),
        ("age,plan,member\n1,pro,", 0, "member", "null"),
        ("age,plan,member\nNaN,pro,true", 0, "age", '"NaN"'),
        ("age,plan,member\n1e999,pro,true", 0, "age", '"1e999"'),
        ("age,plan,member\n1_000,pro,true", 0, "age", '"1_000"'),
        ("age,plan,member\n +1,pro,true", 0, "age", '" +1"'),
        ("age,plan,member\n٣,pro,true", 0, "age", '"٣"'),
        ("age,plan\n1,pro", None, "member", "no such key"),
        ("age,plan,member,more\n1,pro,true,x", None, "more", "an unknown key"),
        ("age,plan,member,age\n1,pro,true,2", None, "age", "the column twice"),
        ("age,plan,member\n1,pro,true\n1,pro", 1, None, "2 cells"),
        ("age,plan,member\n", None, "age", "0 values"),
    ],
)
def test_a_cell_that_does_not_fit_is_named(
    app: InProcess, body: str, row: int | None, field: str | None, got: str
) -> None:
    answer = ask(app, body, CSV)
    assert answer.status == 422
    error = answer.json()["errors"][0]
    assert (error.get("row"), error.get("field"), error["got"]) == (row, field, got)


def test_an_integer_in_csv_is_written_as_one() -> None:
    app = InProcess(numeric_bundle)
    for cell, status in (("2", 200), ("2.0", 422), ("99999999999999999999", 422), ("-0", 200), ("02", 422)):
        assert ask(app, f"height,weight,visits\n1,1,{cell}\n", CSV).status == status


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "The body is empty"),
        (b"\n\n", "The body is empty"),
        (b"age,plan,member\n1,\xff,true", "not UTF-8"),
        (b'age,plan,member\n1,"pro,true', "is no CSV"),
        (b'age,plan,member\n1,"a"b,true', "is no CSV"),
        (b"age,plan,member\n1," + b"x" * 200_000 + b",true", "is no CSV"),
    ],
)
def test_what_is_no_csv_is_refused(app: InProcess, body: bytes, says: str) -> None:
    answer = ask(app, body, CSV)
    assert (answer.status, answer.json()["type"]) == (422, "/docs#malformed-body")
    assert says in answer.json()["detail"]


def test_what_spreadsheets_write_is_read(app: InProcess) -> None:
    assert ask(app, "\ufeffage,plan,member\r\n1,pro,TRUE\r\n\r\n", "text/csv; charset=utf-8").status == 200
    assert ask(app, "age,plan,member\r\n1,pro,TRUE", "text/csv; charset=utf-16").status == 415


@pytest.mark.parametrize("media", [CSV, ARROW])
def test_a_batch_has_so_many_rows_at_most(app: InProcess, media: str) -> None:
    rows = {"age": [1.0] * 101, "plan": ["pro"] * 101, "member": [True] * 101}
    body = stream(pa.table(rows)) if media == ARROW else "age,plan,member\n" + "1,pro,true\n" * 101
    answer = ask(app, body, media)
    assert (answer.status, answer.json()["detail"]) == (413, "More rows came than the 100 that are answered at once.")


def test_a_flood_of_rows_never_becomes_objects(app: InProcess) -> None:
    rows = 50_000_000
    flags = pa.BooleanArray.from_buffers(pa.bool_(), rows, [None, pa.py_buffer(bytes(rows // 8))])
    tracemalloc.start()
    try:
        answers = [
            ask(app, stream(pa.table({"member": flags})), ARROW),
            ask(app, "member\n" + "1\n" * 3_000_000, CSV),
        ]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [answer.status for answer in answers] == [413, 413]
    assert peak < 64_000_000


def test_large_tables_wait_for_each_other_up_to_a_limit_and_small_ones_for_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = InProcess(mixed_bundle, limits=Limits(queue_seconds=100.0))
    go_on, at_work, most_at_work = threading.Event(), 0, 0

    def slowly(body: bytes, *rest: Any) -> bytes:
        nonlocal at_work, most_at_work
        if len(body) > conversions.SMALL_BYTES:
            at_work += 1
            most_at_work = max(most_at_work, at_work)
            assert go_on.wait(20)
            at_work -= 1
        return question(body, *rest)

    monkeypatch.setattr(conversions, "question", slowly)
    large, small = (
        http_request("/predict", b"age,plan,member\n" + b"1,pro,true\n" * rows, {"Content-Type": CSV})
        for rows in (5000, 1)
    )
    [first] = app.ask_by_wire([small])

    async def procedure() -> tuple[list[int], list[int]]:
        connections = [app.connect() for _ in range(8)]
        for (protocol, _), request in zip(connections, [large] * 5 + [small] * 3, strict=True):
            protocol.data_received(request)
        answers: dict[int, int] = {}

        async def answered(count: int) -> list[int]:
            while len(answers) < count:
                for place, (_, wire) in enumerate(connections):
                    if place not in answers and (answer := wire.take_answer()):
                        answers[place] = answer.status
                await asyncio.sleep(0.001)
            return [answers.get(place, 0) for place in range(len(connections))]

        try:
            before = await answered(6)
        finally:
            go_on.set()
        return before, await answered(8)

    before, after = app.loop.run_until_complete(asyncio.wait_for(procedure(), 20))
    assert first.status == 200
    assert before == [0, 0, 503, 503, 503, 200, 200, 200]
    assert after == [200, 200, 503, 503, 503, 200, 200, 200]
    assert most_at_work == 1


def test_arrow_takes_each_type_that_holds_the_field(app: InProcess) -> None:
    columns: list[dict[str, Any]] = [
        {"age": pa.array([1, None, 3], pa.int8())},
        {"age": pa.array([1.5, np.nan, 3], pa.float32())},
        {"age": pa.array(np.array([1, 2, 3], np.float16))},
        {"plan": pa.array(["pro", None, "new"]).dictionary_encode()},
        {"plan": pa.array(["pro", None, "new"], pa.large_string())},
        {"plan": pa.array(["pro", None, "new"], pa.string_view())},
        {"plan": pa.chunked_array([["pro"], [None, "new"]])},
    ]
    assert [ask(app, arrow(**changed), ARROW).status for changed in columns] == [200] * len(columns)
    nan = ask(app, arrow(age=pa.array([np.nan] * 3)), ARROW, Accept="application/json").json()
    assert nan["predictions"] == in_json(app, [row | {"age": None} for row in ROWS])


@pytest.mark.parametrize(
    ("columns", "field", "got"),
    [
        ({"age": ["1", "2", "3"]}, "age", "a column of string"),
        ({"age": pa.array([1, 2, 3], pa.decimal128(5))}, "age", "a column of decimal128(5, 0)"),
        ({"age": pa.nulls(3)}, "age", "a column of null"),
        ({"plan": [b"a", b"b", b"c"]}, "plan", "a column of binary"),
        ({"plan": pa.array([1, 2, 3], pa.timestamp("s"))}, "plan", "a column of timestamp[s]"),
        ({"member": [1, 0, 1]}, "member", "a column of int64"),
        ({"member": [True, None, True]}, "member", "null"),
        ({"age": [1.0, np.inf, 1.0]}, "age", '"inf"'),
        ({"more": [1, 2, 3]}, "more", "an unknown key"),
    ],
)
def test_arrow_of_another_type_is_refused(app: InProcess, columns: dict[str, Any], field: str, got: str) -> None:
    answer = ask(app, arrow(**columns), ARROW)
    assert answer.status == 422
    assert (field, got) in [(error.get("field"), error["got"]) for error in answer.json()["errors"]]


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_arrow_is_refused_since_it_could_grow_to_any_size(app: InProcess, compression: str) -> None:
    table = pa.table({name: [row[name] for row in ROWS] for name in ROWS[0]})
    for kind in (table, pa.table({"plan": pa.array(["pro"] * 3).dictionary_encode()})):
        answer = ask(app, stream(kind, compression=compression), ARROW)
        assert (answer.status, "uncompressed" in answer.json()["detail"]) == (422, True)


def test_broken_arrow_is_refused(app: InProcess) -> None:
    whole = arrow()
    for position in range(0, len(whole), 3):
        broken = whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :]
        assert ask(app, broken, ARROW).status in (200, 413, 422)
        assert ask(app, whole[:position], ARROW).status in (200, 422)


def test_without_pyarrow_arrow_is_said_to_be_missing(app: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    body = arrow()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for answer in (ask(app, body, ARROW), ask(app, AS_CSV, CSV, Accept=ARROW)):
        assert (answer.status, "has no pyarrow" in answer.json()["detail"]) == (415, True)
