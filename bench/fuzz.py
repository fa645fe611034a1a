"""Send a server bodies that are broken in every way: `python -m bench.fuzz BUNDLE`.

The server is a process of its own, asked over loopback. Bodies come from Hypothesis: bytes of any kind, JSON of any
shape, and valid requests (JSON, CSV, gzip, deflate, V2 in JSON and with binary tensors, made from the bundle's golden
rows) with a few places cut out and others put in. It fails on an answer with status 500, on a status that is not
documented, on an answer that takes longer than a few seconds, and on memory that grows. With `--write`, what came of
it goes to docs/performance.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from bench.page import machine, write_section

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNTIME = Path(__file__).parents[1] / "runtime"
DOCUMENTED = {200, 408, 413, 415, 422, 503}
SLOW_SECONDS = 5.0
# So many bodies share one run of Hypothesis, which remembers each of them.
A_ROUND = 2_000
# The first bodies fill caches; from then on memory must stay, but for what an allocator keeps.
WARM_UP, MOST_GROWTH_MB = 0.2, 8.0
PIECES = [
    b"", b"null", b"-0", b"1e999", b"NaN", b'"', b"{", b"}", b"[", b"]", b":", b",", b"\\u0000", b"\\ud800", b"\xff",
    b"\xef\xbb\xbf", b"\r\n", b"0" * 400, b"[" * 2000, b'{"a":' * 500, b"true", b'"instances"', b'"columns"',
    b"\x00" * 8, b" ", b"1",
]  # fmt: skip


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Seen:
    """What came of it: `slowest_seconds` is how long the answer to `slowest` took."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    slowest: Asked | None = None

    @property
    def bodies(self) -> int:
        return self.statuses.total()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--bodies", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="other bodies for another number")
    parser.add_argument("--write", action="store_true", help="put the outcome on docs/performance.md")
    options = parser.parse_args()
    asked = requests(valid_requests(options.bundle))
    seen = Seen()
    memory: list[float] = []
    with serving(options.bundle) as (process, port):
        for number in range(-(-options.bodies // A_ROUND)):
            fuzz(asked, port, seen, min(A_ROUND, options.bodies - seen.bodies), options.seed + number)
            memory.append(megabytes(process.pid))
            print(f"{seen.bodies:,} bodies, {memory[-1]:.1f} MB", file=sys.stderr)
        connection = HTTPConnection("127.0.0.1", port, timeout=SLOW_SECONDS)
        again = min(seconds_of(connection, seen.slowest) for _ in range(5)) if seen.slowest else 0.0
        if status_of(connection, Asked("/ready", {}, b""), "GET") != 200:
            raise SystemExit("the server is not ready any more")
    growth = memory[-1] - memory[int(len(memory) * WARM_UP)]
    text = outcome(seen, again, memory[-1], growth)
    print(text)
    if growth > MOST_GROWTH_MB:
        raise SystemExit(f"memory grew by more than {MOST_GROWTH_MB:g} MB")
    if options.write:
        write_section("fuzz", text)


def outcome(seen: Seen, again: float, memory: float, growth: float) -> str:
    counts = ", ".join(f"{count:,} with {status}" for status, count in sorted(seen.statuses.items()))
    slowest = (
        f"{seen.slowest_seconds * 1000:.0f} ms, on a machine with other work; the same again, {again * 1000:.1f} ms"
    )
    lines = (
        f"{seen.bodies:,} bodies, broken in every way, sent to one server: {counts}; none with 500, none without an",
        f"answer. The slowest answer took {slowest}.",
        f"Memory was {memory:.1f} MB at the end, {growth:+.1f} MB since the first fifth.\n",
        machine("hypothesis"),
    )
    return "\n".join(lines)


def fuzz(asked: st.SearchStrategy[Asked], port: int, seen: Seen, bodies: int, number: int) -> None:
    """One round. Raises AssertionError, which shows the shortest request that is answered wrongly."""
    connection = HTTPConnection("127.0.0.1", port, timeout=SLOW_SECONDS)

    @seed(number)
    @settings(
        max_examples=bodies,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(asked)
    def ask(request: Asked) -> None:
        begun = time.perf_counter()
        status = status_of(connection, request)
        seconds = time.perf_counter() - begun
        if seconds > seen.slowest_seconds:
            seen.slowest_seconds, seen.slowest = seconds, request
        seen.statuses[status] += 1
        if status not in DOCUMENTED:
            raise AssertionError(f"status {status} for {request}")

    ask()
    connection.close()


def status_of(connection: HTTPConnection, asked: Asked, method: str = "POST") -> int:
    """Raises TimeoutError for an answer that does not come, and ConnectionError when the server has gone."""
    connection.request(method, asked.path, asked.body, asked.headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def seconds_of(connection: HTTPConnection, asked: Asked) -> float:
    begun = time.perf_counter()
    status_of(connection, asked)
    return time.perf_counter() - begun


def valid_requests(bundle: Path) -> list[Asked]:
    """Requests that are answered with 200, of each kind that the server takes."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    rows = json.loads((bundle / "golden.json").read_text())["instances"][:3]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    in_rows = json.dumps({"instances": rows}).encode()
    in_columns = json.dumps({"columns": columns}).encode()
    lines = [",".join(columns), *(",".join(cell(row[name]) for name in columns) for row in rows)]
    in_csv = "\r\n".join(lines).encode()
    infer = f"/v2/models/{manifest['name']}/infer"
    head, tail = binary_tensors(manifest, columns)
    return [
        Asked("/predict", {"Content-Type": "application/json"}, in_rows),
        Asked("/predict", {}, in_columns),
        Asked("/predict", {"Content-Type": "text/csv"}, in_csv),
        Asked("/predict", {"Content-Encoding": "gzip"}, gzip.compress(in_rows, mtime=0)),
        Asked("/predict", {"Content-Encoding": "deflate"}, zlib.compress(in_columns)),
        Asked(infer, {}, json.dumps({"inputs": json_tensors(manifest, columns)}).encode()),
        Asked(infer, {"Inference-Header-Content-Length": str(len(head))}, head + tail),
    ]


DATATYPES = {"float": "FP64", "int": "INT64", "bool": "BOOL", "string": "BYTES"}
CODES = {"float": "d", "int": "q", "bool": "?"}


def json_tensors(manifest: dict[str, Any], columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [
        {"name": each["name"], "datatype": DATATYPES[each["dtype"]], "shape": [len(values)], "data": values}
        for each, values in ((each, columns[each["name"]]) for each in manifest["inputs"])
    ]


def binary_tensors(manifest: dict[str, Any], columns: dict[str, list[Any]]) -> tuple[bytes, bytes]:
    """The JSON of a request with binary tensors, and what follows it."""
    tensors, tail = [], b""
    for each in manifest["inputs"]:
        values = columns[each["name"]]
        if each["dtype"] == "string":
            texts = [(value or "").encode() for value in values]
            data = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        else:
            filled = [float("nan") if value is None else value for value in values]
            data = struct.pack(f"<{len(values)}{CODES[each['dtype']]}", *filled)
        parameters = {"binary_data_size": len(data)}
        tensors.append(
            {
                "name": each["name"],
                "datatype": DATATYPES[each["dtype"]],
                "shape": [len(values)],
                "parameters": parameters,
            }
        )
        tail += data
    return json.dumps({"inputs": tensors}).encode(), tail


def cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


@st.composite
def broken(draw: st.DrawFn, valid: list[Asked]) -> Asked:
    """A valid request whose body has a few places cut out and others put in."""
    asked = draw(st.sampled_from(valid))
    body = bytearray(asked.body)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(body)))
        stop = draw(st.integers(start, min(start + 16, len(body))))
        body[start:stop] = draw(st.sampled_from(PIECES) | st.binary(max_size=6))
    return Asked(asked.path, asked.headers, bytes(body))


def requests(valid: list[Asked]) -> st.SearchStrategy[Asked]:
    """Requests of every kind, most of them nearly right."""
    scalar = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8)
    names = st.sampled_from(["instances", "columns", "threshold", "inputs", "name", "shape", "data", "datatype", "x"])
    anything = st.recursive(
        scalar, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
    )
    heads = st.sampled_from(valid)
    as_json = st.builds(lambda head, value: Asked(head.path, {}, json.dumps(value).encode()), heads, anything)
    as_bytes = st.builds(lambda head, body: Asked(head.path, head.headers, body), heads, st.binary(max_size=300))
    nearly = broken(valid)
    return st.one_of(nearly, nearly, nearly, as_json, as_bytes)


@contextmanager
def serving(bundle: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The server's process and its port, once it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "mldeploy_runtime", "--bundle", str(bundle), "--host", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--control", "", "--workers", "1", "--port", str(port)],
        env=os.environ | {"PYTHONPATH": str(RUNTIME)},
        stdout=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None:
            try:
                if status_of(HTTPConnection("127.0.0.1", port), Asked("/ready", {}, b""), "GET") == 200:
                    break
            except ConnectionError:
                time.sleep(0.05)
        yield process, port
    finally:
        process.terminate()
        process.wait(30)


def megabytes(process: int) -> float:
    """Resident memory."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
