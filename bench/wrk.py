"""wrk: the most requests a second that a server answers over a number of kept connections."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Figures:
    """Requests a second; latencies in milliseconds; `failed` are answers that were no 2xx, and broken connections."""

    rate: float
    requests: int
    p50: float
    p99: float
    failed: int


def run_wrk(
    url: str,
    bodies: Sequence[str],
    connections: int,
    seconds: float,
    core: int,
    headers: Mapping[str, str] | None = None,
) -> Figures:
    """Send `bodies` in turn for so long, from one processor core, each with `headers` beside its type."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_script(bodies, headers or {}))
        script.flush()
        argv = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s"]
        said = subprocess.run(
            [*argv, "--latency", "-s", script.name, url], capture_output=True, text=True, check=True
        ).stdout
    return Figures(
        rate=float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        requests=int(_found(r"(\d+) requests in", said)),
        p50=_milliseconds("50%", said),
        p99=_milliseconds("99%", said),
        failed=sum(int(count) for count in re.findall(r"Non-2xx or 3xx responses: (\d+)", said))
        + sum(int(count) for line in re.findall(r"Socket errors: .*", said) for count in re.findall(r"\d+", line)),
    )


def _script(bodies: Sequence[str], headers: Mapping[str, str]) -> str:
    lines = ",".join(f"[ [==[{name}]==] ]=[==[{value}]==]" for name, value in headers.items())
    quoted = ",".join(f"[==[{body}]==]" for body in bodies)
    return (
        f"local headers = {{['Content-Type'] = 'application/json',{lines}}}\n"
        f"local bodies = {{{quoted}}}\nlocal sent = 0\n"
        "request = function()\n  sent = sent % #bodies + 1\n"
        "  return wrk.format('POST', nil, headers, bodies[sent])\nend\n"
    )


def _found(pattern: str, said: str) -> str:
    match = re.search(pattern, said)
    if match is None:
        raise SystemExit(f"wrk did not say what was expected:\n{said}")
    return match[1]


def _milliseconds(quantile: str, said: str) -> float:
    return (
        float(_found(rf"\n\s+{quantile}\s+([\d.]+)", said))
        * UNITS_MS[_found(rf"\n\s+{quantile}\s+[\d.]+([a-z]+)", said)]
    )
