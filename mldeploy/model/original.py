"""The original model, in a child process of its own: what a file does when it is opened stays there."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mldeploy.errors import MldeployError, UsageError
from mldeploy.model.limits import TIME_LIMIT_S

if TYPE_CHECKING:
    from types import TracebackType

    from mldeploy.model.rows import Rows

CHILD = Path(__file__).parent / "child" / "__main__.py"


@dataclass(frozen=True)
class Described:
    """What the opened model says of itself. `fields` are the facts that its fitted steps hold on each field."""

    estimator: str
    task: Literal["classifier", "regressor"]
    classes: list[Any] | None
    named: bool
    fields: list[dict[str, Any]]
    versions: dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """The original's answers: for row i `labels[i]` and `probabilities[i]`, or `values[i]`.

    `refused` maps the number of a row that the original would not answer to its reason.
    """

    labels: list[Any] | None
    probabilities: list[list[float]] | None
    values: list[float] | None
    refused: dict[int, str]


@dataclass(frozen=True)
class FieldType:
    """How one field is handed to the original: its dtype, and what stands for a missing string."""

    name: str
    dtype: str
    missing_is_none: bool

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, "missing_is_none": self.missing_is_none}


@dataclass
class Original:
    """The child that holds the opened model. A context manager: leaving it ends the child."""

    model: Path
    python: Path = Path(sys.executable)
    time_limit_s: float = TIME_LIMIT_S
    _folder: tempfile.TemporaryDirectory[str] = field(default_factory=tempfile.TemporaryDirectory, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __enter__(self) -> Original:
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
        self._log = Path(self._folder.name, "stderr").open("wb")
        try:
            self._process = subprocess.Popen(
                [self.python, CHILD],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=environment,
                start_new_session=True,
            )
        except OSError as failure:
            self._folder.cleanup()
            raise UsageError(f"{self.python} cannot be run", cause=str(failure)) from failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()
        self._log.close()
        self._folder.cleanup()

    def open(self) -> Described:
        """Load the file. UsageError says what is wrong with it."""
        return Described(**self._ask(do="open", path=str(self.model.resolve())))

    def answer(self, types: list[FieldType], rows: Rows) -> Answers:
        """What the original answers to `rows`, and which of them it refuses."""
        answer = self._ask(do="answer", fields=[each.to_json() for each in types], columns=rows.columns)
        outputs = answer["outputs"]
        return Answers(
            outputs.get("labels"),
            _numbers(outputs.get("probabilities")),
            _numbers(outputs.get("values")),
            {int(row): reason for row, reason in answer["refused"].items()},
        )

    def time(self, types: list[FieldType], rows: Rows, repeats: int) -> float:
        """The median of the seconds that the original takes to answer `rows` at once."""
        fields = [each.to_json() for each in types]
        return float(self._ask(do="time", fields=fields, columns=rows.columns, repeats=repeats)["seconds"])

    def convert(self, rung: str, types: list[FieldType]) -> tuple[bytes, dict[str, Any]] | str:
        """The ONNX file of one rung and how the fields map onto it, or why there is none."""
        target = Path(self._folder.name, "model.onnx")
        answer = self._ask(do="convert", rung=rung, fields=[each.to_json() for each in types], into=str(target))
        if "failed" in answer:
            return str(answer["failed"])
        return target.read_bytes(), answer["graph"]

    def _ask(self, **request: Any) -> dict[str, Any]:
        process = self._process
        assert process is not None and process.stdin is not None  # noqa: S101, PT018
        what = request["do"]
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = self._read_line(what)
        except BrokenPipeError:
            line = b""
        if not line:
            raise self._crashed(what)
        answer: dict[str, Any] = json.loads(line)
        if "unusable" in answer:
            raise UsageError(answer["unusable"], cause=answer["cause"], remedy=answer["remedy"])
        return answer

    def _read_line(self, what: str) -> bytes:
        process = self._process
        assert process is not None and process.stdout is not None  # noqa: S101, PT018
        deadline = time.monotonic() + self.time_limit_s
        chunks: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not (chunks and chunks[-1].endswith(b"\n")):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self._kill()
                    raise MldeployError(
                        f"the model did not {what} within {self.time_limit_s:g} s",
                        cause=f"{self.model.name} was stopped; nothing was written",
                        remedy="Give it longer with --time-limit SECONDS.",
                    )
                chunk = os.read(process.stdout.fileno(), 1 << 20)
                if not chunk:
                    return b""
                chunks.append(chunk)
        return b"".join(chunks)

    def _crashed(self, what: str) -> MldeployError:
        assert self._process is not None  # noqa: S101
        code = self._process.wait()
        log = Path(self._folder.name, "stderr").read_text(encoding="utf-8", errors="replace").strip()
        last = log.splitlines()[-1] if log else "it said nothing"
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return MldeployError(
            f"the process that holds {self.model.name} ended {how} when asked to {what}",
            cause=last,
            remedy="Name the Python that the model was saved with: --python PATH (it needs joblib, numpy and onnx).",
        )

    def _kill(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue


def _numbers(values: Any) -> Any:
    """JSON has no infinities: they travel as text."""
    if isinstance(values, list):
        return [_numbers(value) for value in values]
    return float(values) if isinstance(values, str) else values
