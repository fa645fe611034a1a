"""The path that serves answers what FastAPI's does, byte for byte, whatever is asked."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.runtime.bundles import Row, mixed_bundle
from tests.unit.runtime.inprocess import InProcess
from tests.unit.runtime.keyfile import key_of, stored, write_keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROW: Row = {"age": 42.0, "plan": "pro", "member": True}
VALUES: list[Any] = [
    None,
    True,
    0,
    1,
    -7,
    2**53 + 1,
    2**70,
    1.5,
    -0.0,
    1e308,
    "",
    "pro",
    "gold",
    "1",
    [],
    [1],
    {},
    {"a": 1},
]
LITERALS = [
    "NaN",
    "-Infinity",
    "1e999",
    "01",
    "+1",
    "1.",
    ".5",
    "0x1",
    "'a'",
    '"\\ud800"',
    '"\\u0000"',
    "tru",
    "1 2",
    "//",
]
KEY = {"X-API-Key": key_of("aaaaaaaa"), "X-Request-ID": "one"}
STORED = (stored("aaaaaaaa"), stored("bbbbbbbb", scopes=["metrics"]), stored("cccccccc", rate=2))
CSV = "text/csv"
INFER = "/v2/models/mixed/infer"

Question = tuple[str, bytes, dict[str, str]]


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def bodies() -> Iterator[bytes]:
    """Bodies for /predict, good and bad."""
    for name in ROW:
        yield encoded({"instances": [{key: value for key, value in ROW.items() if key != name}]})
        for value in VALUES:
            changed = ROW | {name: value}
            yield encoded({"instances": [ROW, changed]})
            yield encoded({"columns": {key: [ROW[key], changed[key]] for key in ROW}})
        for literal in LITERALS:
            yield encoded({"instances": [ROW | {name: "@"}]}).replace(b'"@"', literal.encode())
    for value in VALUES:
        yield encoded(value)
        for key in ("instances", "columns", "threshold", "other"):
            yield encoded({"instances": [ROW], key: value})
            yield encoded({key: value})
    whole = encoded({"instances": [ROW], "threshold": 0.5})
    for end in range(len(whole)):
        yield whole[:end]
        yield whole[:end] + b"\xff" + whole[end:]
    yield whole.replace(b'"member"', b'"age": 1, "member"')
    yield b"\xef\xbb\xbf" + whole
    yield whole.decode().encode("utf-16")
    yield b"[" * 50_000
    yield encoded({"instances": [ROW] * 101})


def questions() -> Iterator[Question]:
    for body in bodies():
        yield "/predict", body, KEY
    whole, table = encoded({"instances": [ROW]}), b"age,plan,member\n42,pro,true\n"
    for encoding in ("gzip", "x-gzip", "deflate", "br", "identity", "gzip, gzip", ""):
        for body in (whole, gzip.compress(whole, mtime=0), zlib.compress(whole), gzip.compress(whole, mtime=0)[:-3]):
            yield "/predict", body, KEY | {"Content-Encoding": encoding}
    for given_type in ("application/json", "application/json; charset=latin-1", CSV, "text/html", "", "\xff"):
        for accept in (
            "*/*",
            CSV,
            "application/json",
            "application/vnd.apache.arrow.stream",
            "text/html",
            "",
            "\xff;q=x",
        ):
            for body in (whole, table, b"", b'"'):
                yield "/predict", body, KEY | {"Content-Type": given_type, "Accept": accept}
    for headers in (
        {},
        {"X-API-Key": "x"},
        {"Authorization": f"Bearer {key_of('aaaaaaaa')}"},
        {"Authorization": "Basic x"},
    ):
        for path in ("/predict", INFER):
            yield path, whole, {"X-Request-ID": "one"} | headers
    yield "/predict", whole, {"X-Request-ID": "one", "X-API-Key": key_of("bbbbbbbb")}
    yield "/predict", whole, KEY | {"Origin": "https://shop.example"}
    yield "/predict", whole, KEY | {"Origin": "https://other.example"}
    yield "/predict", b" " * 200_000, KEY
    data = {"age": ("FP64", 42.0), "plan": ("BYTES", "pro"), "member": ("BOOL", True)}
    for wrong in [*data, ""]:
        for value in VALUES:
            tensors = [
                {"name": name, "shape": [1], "datatype": datatype, "data": [value if name == wrong else right]}
                for name, (datatype, right) in data.items()
            ]
            yield INFER, encoded({"inputs": tensors}), KEY


@pytest.fixture
def apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[InProcess, InProcess]:
    """Two servers in the same state, and a clock that stands still."""
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    keys = write_keys(tmp_path / "keys.json", *STORED)
    limits: dict[str, Any] = {"max_rows": 100, "max_body": 100_000, "rate_per_address": 1e6}
    origins = frozenset(["https://shop.example"])
    first, second = (InProcess(mixed_bundle, keys=keys, cors_origins=origins, **limits) for _ in range(2))
    return first, second


def test_both_paths_answer_alike(apps: tuple[InProcess, InProcess]) -> None:
    hot, fastapi = apps
    statuses = set()
    for path, body, headers in questions():
        answer = hot.ask(path, body, headers)
        assert answer == fastapi.ask(path, body, headers, app=fastapi.fastapi), (path, body, headers)
        statuses.add(answer.status)
    assert statuses == {200, 401, 403, 413, 415, 422}


def test_both_paths_keep_a_rate_alike(apps: tuple[InProcess, InProcess]) -> None:
    hot, fastapi = apps
    headers = {"X-API-Key": key_of("cccccccc"), "X-Request-ID": "one"}
    answers = [hot.ask("/predict", encoded({"instances": [ROW]}), headers) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    for answer in answers:
        assert answer == fastapi.ask("/predict", encoded({"instances": [ROW]}), headers, app=fastapi.fastapi)


@pytest.mark.parametrize("path", ["/health", "/ready", "/rotation", "/metrics", "/model", "/v2", INFER[:-6]])
def test_both_paths_answer_what_is_got_alike(apps: tuple[InProcess, InProcess], path: str) -> None:
    hot, fastapi = apps
    headers = {"X-Request-ID": "one", "X-API-Key": key_of("bbbbbbbb" if path == "/metrics" else "aaaaaaaa")}
    for sent in (headers, {"X-Request-ID": "one"}):
        ours = hot.ask(path, b"", sent, method="GET")
        theirs = fastapi.ask(path, b"", sent, method="GET", app=fastapi.fastapi)
        assert (ours.status, [name for name, _ in ours.headers]) == (
            theirs.status,
            [name for name, _ in theirs.headers],
        )
