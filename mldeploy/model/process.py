"""The child process that holds the model: what a file does when it is opened stays there."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mldeploy.errors import MldeployError, UsageError
from mldeploy.model.limits import machine_memory

if TYPE_CHECKING:
    from types import TracebackType

CHILD = Path(__file__).parent / "child" / "__main__.py"

OUT_OF_MEMORY = ("MemoryError", "std::bad_alloc", "Cannot allocate memory", "failed to map segment")
"""What Python, C++ and the dynamic linker say as they give up."""


class Child:
    """A process that answers questions about `model`, each within a time limit. Leaving the context ends it.

    It runs `python`, which may be any that has joblib, numpy and onnx, in a session of its own.
    """

    def __init__(
        self,
        model: Path,
        python: Path,
        time_limit_s: float,
        memory_limit: int | None = None,
        session: Literal["session", "serving"] = "session",
    ) -> None:
        """`memory_limit` is in bytes, and without one all that the machine has. `session` is what answers: all that
        packaging asks for, or just what serving needs."""
        self.model = model
        self._python = python
        self._time_limit_s = time_limit_s
        self._memory_limit = memory_limit or machine_memory()
        self._session = session

    def __enter__(self) -> Child:
        with contextlib.ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mldeploy-")))
            self._process = self._started()
            stack.callback(self._end)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def restart(self) -> None:
        """End the process, whatever it is at, and start another, which holds no model yet."""
        self._end()
        self._process = self._started()

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to one request.

        Raises UsageError for what the person can put right in the file, MldeployError when the process dies
        or the time limit passes.
        """
        assert self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            line = self._read_line(request["do"])
        except BrokenPipeError:
            line = b""
        if not line:
            raise self._died(request["do"])
        answer: dict[str, Any] = json.loads(line)
        if "unusable" in answer:
            raise UsageError(answer["unusable"], cause=answer["cause"], remedy=answer["remedy"])
        return answer

    @property
    def _log(self) -> Path:
        return self.folder / "stderr"

    def _started(self) -> subprocess.Popen[bytes]:
        try:
            with self._log.open("wb") as log:
                return subprocess.Popen(
                    [self._python, CHILD, str(self._memory_limit), self._session],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    # Sets must come out in the same order each time, or the same model gives other bytes.
                    env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"},
                    start_new_session=True,
                )
        except OSError as failure:
            raise UsageError(f"{self._python} cannot be run", cause=str(failure)) from failure

    def _read_line(self, what: str) -> bytes:
        assert self._process.stdout is not None  # noqa: S101
        deadline = time.monotonic() + self._time_limit_s
        chunks: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not (chunks and chunks[-1].endswith(b"\n")):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise MldeployError(
                        f"the model did not {what} within {self._time_limit_s:g} s",
                        cause=f"the process that holds {self.model.name} was stopped; nothing was written",
                        remedy="Give it longer with --time-limit SECONDS.",
                    )
                chunk = os.read(self._process.stdout.fileno(), 1 << 20)
                if not chunk:
                    return b""
                chunks.append(chunk)
        return b"".join(chunks)

    def _died(self, what: str) -> MldeployError:
        code = self._process.wait()
        log = self._log.read_text(encoding="utf-8", errors="replace").strip()
        if any(sign in log for sign in OUT_OF_MEMORY):
            return MldeployError(
                f"the process that holds {self.model.name} ran out of memory when asked to {what}",
                cause=f"it may use {self._memory_limit / (1 << 30):.3g} GB",
                remedy="Give it more with --memory-limit GB.",
            )
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return MldeployError(
            f"the process that holds {self.model.name} ended {how} when asked to {what}",
            cause=log.splitlines()[-1] if log else "it said nothing",
            remedy="Name the Python that the model was saved with: --python PATH (it needs joblib, numpy and onnx).",
        )

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
