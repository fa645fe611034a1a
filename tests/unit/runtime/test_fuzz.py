"""No body, however broken, ends in anything but an answer or a documented refusal."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.runtime.bundles import mixed_bundle, regressor_bundle
from tests.unit.runtime.inprocess import InProcess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VALID = json.dumps({"instances": [{"age": 42.0, "plan": "pro", "member": True}], "threshold": 0.5}).encode()


@cache
def serving(bundle: Callable[[Path], Path], path: str = "/predict") -> Callable[..., tuple[int, bytes]]:
    """A function that asks the application over `bundle` in this process, with a body and headers."""
    app = InProcess(bundle)

    def ask(body: bytes, **headers: str) -> tuple[int, bytes]:
        answer = app.ask(path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        assert app.service.container.in_flight == 0
        return answer.status, answer.body

    return ask


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A valid body with a few places cut out and others put in."""
    body = bytearray(VALID)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        stop = draw(st.integers(start, min(start + 12, len(body))))
        pieces = [b"", b"null", b"-0", b"1e999", b"1e308", b'"', b"{", b"[", b"\\u0000", b"\\ud834\\udd1e", b":", b","]
        body[start:stop] = draw(st.sampled_from(pieces) | st.binary(max_size=4))
    return bytes(body)


@settings(max_examples=500, deadline=None)
@given(broken() | st.binary(max_size=60))
def test_a_broken_body_is_answered_or_refused(body: bytes) -> None:
    status, answer = serving(mixed_bundle)(body)
    assert status in (200, 422)
    assert ("predictions" if status == 200 else "errors" if b"invalid-input" in answer else "detail") in json.loads(
        answer
    )


number = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)


@settings(max_examples=200, deadline=None)
@given(number, number)
def test_any_number_is_answered_even_where_the_tensor_is_narrow(a: float, b: float) -> None:
    status, answer = serving(regressor_bundle)(json.dumps({"instances": [{"a": a, "b": b}]}).encode())
    assert status == 200
    json.loads(answer)


def tensor(name: str, datatype: str, data: Any) -> dict[str, Any]:
    return {"name": name, "shape": [1], "datatype": datatype, "data": data}


element = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
)
data = st.lists(element | st.lists(element, max_size=2), max_size=2)
shape = st.just([1]) | st.lists(st.integers(-2, 2**70), max_size=3)
changes = st.fixed_dictionaries(
    {},
    optional={
        "shape": shape,
        "data": data,
        "datatype": st.sampled_from(["FP64", "FP16", "INT8", "BOOL", "BYTES", "JSON"]),
        "parameters": st.fixed_dictionaries(
            {}, optional={"binary_data_size": st.integers(-1, 20), "content": st.text()}
        ),
    },
)


@settings(max_examples=500, deadline=None)
@given(st.tuples(changes, changes, changes), st.binary(max_size=24), st.integers(-3, 3), st.booleans())
def test_any_tensors_are_answered_or_refused(
    changed: tuple[dict[str, Any], ...], tail: bytes, off: int, binary: bool
) -> None:
    tensors = [tensor("age", "FP64", [42.0]), tensor("plan", "BYTES", ["pro"]), tensor("member", "BOOL", [True])]
    inputs = [given | change for given, change in zip(tensors, changed, strict=True)]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": binary}}).encode()
    length = str(len(head) + off * (off % 2))
    ask = serving(mixed_bundle, "/v2/models/mixed/infer")
    status, answer = ask(head + tail, inference_header_content_length=length)
    assert status in (200, 413, 422)
    assert status == 200 or json.loads(answer).keys() == {"error"}
