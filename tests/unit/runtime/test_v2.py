"""Open Inference Protocol V2, asked by the protocol's own client and by hand."""

from __future__ import annotations

import json
import struct
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.unit.runtime.bundles import Row, mixed_bundle, mixed_probability
from tests.unit.runtime.inprocess import InProcess
from tests.unit.runtime.keyfile import key_of, stored, write_keys
from tests.unit.runtime.server import started

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.unit.runtime.server import Server

ROWS: list[Row] = [
    {"age": 42.0, "plan": "pro", "member": True},
    {"age": None, "plan": "gold", "member": False},
    {"age": 20.0, "plan": "free", "member": False},
]
EXPECTED = [mixed_probability(row) for row in ROWS]
COLUMNS: dict[str, tuple[str, list[Any]]] = {
    "age": ("FP64", [np.nan if row["age"] is None else row["age"] for row in ROWS]),
    "plan": ("BYTES", [row["plan"] for row in ROWS]),
    "member": ("BOOL", [row["member"] for row in ROWS]),
}
INFER = "/v2/models/mixed/infer"


def inputs(*, binary: bool, shape: tuple[int, ...] = (3,)) -> list[InferInput]:
    given = []
    for name, (datatype, values) in COLUMNS.items():
        tensor = InferInput(name, list(shape), datatype)
        dtype = {"FP64": np.float64, "BYTES": object, "BOOL": bool}[datatype]
        tensor.set_data_from_numpy(np.array(values, dtype=dtype).reshape(shape), binary_data=binary)
        given.append(tensor)
    return given


def document(**changes: Any) -> dict[str, Any]:
    """A request as JSON, with null for what is missing; a change replaces parts of one input."""
    tensors = []
    for name, (datatype, values) in COLUMNS.items():
        data = [None if value != value else value for value in values]
        tensors.append({"name": name, "shape": [3], "datatype": datatype, "data": data} | changes.get(name, {}))
    return {"inputs": tensors}


def error(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/json"
    [(key, text)] = response.json().items()
    assert key == "error"
    return str(text)


@pytest.fixture
def client(mixed: Server) -> InferenceServerClient:
    return InferenceServerClient(f"127.0.0.1:{mixed.port}")


def test_the_client_finds_server_and_model_alive_and_ready(client: InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("mixed")
    assert client.is_model_ready("mixed", "1.2.3")
    assert not client.is_model_ready("another")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]


def test_the_metadata_describe_each_field_and_output(client: InferenceServerClient) -> None:
    found = client.get_model_metadata("mixed", "1.2.3")
    assert found["versions"] == ["1.2.3"]
    assert found["inputs"] == [
        {"name": "age", "datatype": "FP64", "shape": [-1]},
        {"name": "plan", "datatype": "BYTES", "shape": [-1]},
        {"name": "member", "datatype": "BOOL", "shape": [-1]},
    ]
    assert found["outputs"] == [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]},
    ]


def test_the_client_gives_a_key_in_its_headers(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.json", stored("aaaaaaaa"))
    with started(mixed_bundle(tmp_path), tmp_path, MLDEPLOY_KEYS=str(keys)) as server:
        client = InferenceServerClient(f"127.0.0.1:{server.port}")
        answer = client.infer("mixed", inputs(binary=True), headers={"X-API-Key": key_of("aaaaaaaa")})
        with pytest.raises(InferenceServerException, match="No key came"):
            client.infer("mixed", inputs(binary=True))
    np.testing.assert_allclose(answer.as_numpy("probabilities")[:, 1], EXPECTED, atol=1e-7)


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_binary_tensors_the_clients_default_are_answered_in_kind(
    client: InferenceServerClient, shape: tuple[int, ...]
) -> None:
    answer = client.infer("mixed", inputs(binary=True, shape=shape), request_id="order-7")
    assert answer.get_response()["id"] == "order-7"
    np.testing.assert_allclose(answer.as_numpy("probabilities")[:, 1], EXPECTED, atol=1e-7)
    assert answer.as_numpy("label").tolist() == [b"yes" if value > 0.5 else b"no" for value in EXPECTED]


@pytest.mark.parametrize("binary", [True, False])
def test_one_output_may_be_asked_for_in_either_form(client: InferenceServerClient, *, binary: bool) -> None:
    wanted = [InferRequestedOutput("probabilities", binary_data=binary)]
    answer = client.infer("mixed", inputs(binary=True), outputs=wanted)
    assert [output["name"] for output in answer.get_response()["outputs"]] == ["probabilities"]
    np.testing.assert_allclose(answer.as_numpy("probabilities")[:, 1], EXPECTED, atol=1e-7)


def test_plain_json_is_answered_in_json(mixed: Server) -> None:
    answer = mixed.client.post("/v2/models/mixed/versions/1.2.3/infer", json=document()).json()
    label, probabilities = answer["outputs"]
    assert (label["datatype"], label["shape"], label["data"][0]) == ("BYTES", [3], "yes")
    assert (probabilities["datatype"], probabilities["shape"]) == ("FP64", [3, 2])
    assert probabilities["data"][1::2] == pytest.approx(EXPECTED, abs=1e-7)


def test_a_threshold_may_be_given_as_a_parameter(mixed: Server) -> None:
    answer = mixed.client.post(INFER, json=document() | {"parameters": {"threshold": 1.0}}).json()
    assert answer["outputs"][0]["data"] == ["no", "no", "no"]


def test_a_regressor_answers_values(regressor: Server) -> None:
    client = InferenceServerClient(f"127.0.0.1:{regressor.port}")
    given = []
    for name in ("a", "b"):
        tensor = InferInput(name, [2], "FP32")
        tensor.set_data_from_numpy(np.array([1.0, -1.0], dtype=np.float32))
        given.append(tensor)
    answered = client.infer("regressor", given).as_numpy("value")
    assert answered[0] == pytest.approx(2.0)
    assert np.isnan(answered[1])


def test_the_client_shows_why_it_was_refused(client: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=r"each input of the model is needed once, and no other.*member"):
        client.infer("mixed", inputs(binary=True)[:2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"age": {"datatype": "BYTES"}}, "'age' is BYTES; it takes FP64, FP32"),
        ({"age": {"shape": [3, 2]}}, "'age' has shape [3, 2]; it takes [rows] or [rows, 1]"),
        ({"age": {"shape": []}}, "'age' has shape []"),
        ({"age": {"shape": [0], "data": []}}, "'age' has shape [0]"),
        ({"age": {"data": [1.0]}}, "'age' has 1 values for shape [3]"),
        ({"age": {"name": "weight"}}, "look at age, weight"),
        ({"age": {"data": [1.0, "x", 2.0]}}, 'age, row 1: got "x", expected a number, or null.'),
        ({"member": {"data": [True, None, 1]}}, "member, row 1: got null, expected true or false."),
        ({"age": {"parameters": {"binary_data_size": 24}}}, "less binary data than its binary_data_size"),
        ({"age": {"parameters": {"binary_data_size": -1}}}, "less binary data than its binary_data_size"),
    ],
)
def test_a_tensor_that_does_not_fit_is_explained(mixed: Server, changes: dict[str, Any], message: str) -> None:
    response = mixed.client.post(INFER, json=document(**changes))
    assert response.status_code == 422
    assert message in error(response)


@pytest.mark.parametrize(
    ("datatype", "data", "message"),
    [
        ("FP64", struct.pack("<3d", 1.0, float("inf"), 2.0), "holds an infinite number"),
        ("FP64", b"\x00" * 23, "23 bytes, which is no number of FP64"),
        ("FP64", b"\x00" * 16, "has 2 values for shape [3]"),
    ],
)
def test_binary_numbers_that_do_not_fit_are_explained(mixed: Server, datatype: str, data: bytes, message: str) -> None:
    response = with_binary(mixed, "age", datatype, data)
    assert response.status_code == 422
    assert message in error(response)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x01\x00", "ends within a length"),
        (b"\x05\x00\x00\x00ab", "ends within a text"),
        (b"\x01\x00\x00\x00\xff", "a text that is not UTF-8"),
    ],
)
def test_binary_texts_that_do_not_fit_are_explained(mixed: Server, data: bytes, message: str) -> None:
    response = with_binary(mixed, "plan", "BYTES", data)
    assert response.status_code == 422
    assert message in error(response)


def test_a_bool_is_0_or_1(mixed: Server) -> None:
    assert with_binary(mixed, "member", "BOOL", b"\x01\x00\x01").status_code == 200
    assert "neither 0 nor 1" in error(with_binary(mixed, "member", "BOOL", b"\x01\x02\x01"))


@pytest.mark.parametrize("length", ["9999", "-1", "x", "10", "9" * 5000])
def test_a_length_of_the_json_that_is_wrong_is_refused(mixed: Server, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length}
    assert mixed.client.post(INFER, json=document(), headers=headers).status_code == 422


def test_a_length_of_the_body_may_begin_with_zeros(mixed: Server) -> None:
    content = json.dumps(document()).encode()
    head = f"POST {INFER} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {len(content):05000}\r\n\r\n"
    assert mixed.raw(head.encode() + content).startswith(b"HTTP/1.1 200 ")


def test_more_rows_than_the_limit_are_too_large() -> None:
    app = InProcess(mixed_bundle, max_rows=2)
    answer = app.ask(INFER, json.dumps(document()).encode())
    assert (answer.status, answer.json()["error"]) == (413, "More rows came than the 2 that are answered at once.")


def flood(data: bytes) -> tuple[bytes, dict[str, str]]:
    return b'{"inputs":[{"name":"age","shape":[9],"datatype":"FP64","data":[%b]}]}' % data, {}


def binary_flood(name: str, datatype: str, data: bytes, rows: int) -> tuple[bytes, dict[str, str]]:
    """A request whose other tensors come after the flood."""
    sizes = {field: len(data) if field == name else 0 for field in COLUMNS}
    tensors = [
        {
            "name": field,
            "shape": [rows],
            "datatype": datatype if field == name else COLUMNS[field][0],
            "parameters": {"binary_data_size": sizes[field]},
        }
        for field in sorted(COLUMNS, key=lambda field: field != name)
    ]
    head = json.dumps({"inputs": tensors}).encode()
    return head + data, {"Inference-Header-Content-Length": str(len(head))}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        flood(b"[]," * 5_000_000 + b"[]"),
        flood(b"1.5," * 4_000_000 + b"1"),
        flood(b"[" * 500 + b"]" * 500 + (b"," + b"[" * 500 + b"]" * 500) * 15_000),
        binary_flood("age", "INT8", bytes(16_000_000), 16_000_000),
        binary_flood("age", "INT8", bytes(16_000_000), 9),
        binary_flood("plan", "BYTES", bytes(16_000_000), 9),
    ],
    ids=["lists", "numbers", "nested", "rows", "more than the shape says", "texts"],
)
def test_a_flood_of_values_never_becomes_objects(body: bytes, headers: dict[str, str]) -> None:
    app = InProcess(mixed_bundle)
    tracemalloc.start()
    try:
        answer = app.ask(INFER, body, headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status in (413, 422)
    assert peak < 40_000_000  # the body, taken apart


def test_bytes_that_no_tensor_claims_are_refused(mixed: Server) -> None:
    content = json.dumps(document()).encode()
    headers = {"Inference-Header-Content-Length": str(len(content))}
    assert "3 bytes follow" in error(mixed.client.post(INFER, content=content + b"abc", headers=headers))


def test_what_is_not_there_is_told_in_the_protocols_form(mixed: Server) -> None:
    assert mixed.client.post("/v2/models/another/infer", json={}).status_code == 404
    assert "another" in error(mixed.client.post("/v2/models/another/infer", json={}))
    assert error(mixed.client.get(INFER)) == "/v2/models/mixed/infer takes POST, not GET."
    unknown = document() | {"outputs": [{"name": "score"}]}
    assert "there is no output 'score'" in error(mixed.client.post(INFER, json=unknown))


def with_binary(server: Server, name: str, datatype: str, data: bytes) -> httpx.Response:
    """A request in which one input is binary."""
    asked = document(**{name: {"datatype": datatype, "parameters": {"binary_data_size": len(data)}}})
    for tensor in asked["inputs"]:
        if tensor["name"] == name:
            del tensor["data"]
    head = json.dumps(asked).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    return server.client.post(INFER, content=head + data, headers=headers)
