"""The original model behind the same interface as a graph, opened by the code that the bundle carries."""

from __future__ import annotations

import hashlib
import importlib
import sys
from typing import TYPE_CHECKING, Any

from mldeploy_runtime.bundle import BundleError
from mldeploy_runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mldeploy_runtime.bundle import Manifest
    from mldeploy_runtime.contract import Row
    from mldeploy_runtime.predictions import Raw

# What the original calls its outputs, in the order in which a graph gives them.
OUTPUTS = ("labels", "probabilities", "values", "scores")


def open_original(bundle: Path, manifest: Manifest) -> Callable[[list[Row]], list[Raw]]:
    """Load the original; the answer is a function from columns, one tuple of values for each input, to rows.

    The function raises Problem `invalid-input` for rows that the original refuses. Raises BundleError when the
    bundle holds another file than was proven, or the file cannot be opened.
    """
    native = manifest.native
    if native is None:
        raise BundleError("the manifest says nothing of the original that is to answer")
    folder = bundle / "native"
    _require_same(folder / native.file, manifest.source["sha256"])
    sys.path[:0] = [str(folder / "code"), str(folder)]
    try:
        serving = importlib.import_module("mldeploy_child.serving")
        answer = serving.open_original(folder / native.file, native.select, native.fields)
    except Exception as failure:  # the model's own code may raise anything
        raise BundleError(f"{native.file} cannot be opened: {type(failure).__name__}: {failure}") from failure
    names = [field.name for field in manifest.inputs]
    label_of = _labels_of(manifest)

    def run(columns: list[Row]) -> list[Raw]:
        try:
            outputs = answer({name: list(column) for name, column in zip(names, columns, strict=True)})
        except MemoryError:
            raise
        except Exception:  # whatever it raises, it refuses these rows: so it was asked when it was packaged
            raise Problem("invalid-input", "The model refuses these rows.") from None
        given = {name: _numbers(values) for name, values in outputs.items() if name != "labels"}
        if "labels" in outputs:
            given["labels"] = [label_of(label) for label in outputs["labels"]]
        return list(zip(*(given[name] for name in OUTPUTS if name in given), strict=True))

    return run


def _require_same(file: Path, sha256: str) -> None:
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as failure:
        raise BundleError(f"{file} cannot be read: {failure.strerror}") from failure
    if found != sha256:
        raise BundleError(f"{file.name} is not the file that was packaged")


def _labels_of(manifest: Manifest) -> Callable[[Any], Any]:
    """A label as a graph gives it: with several outputs the positions among their classes, else the label itself."""
    by_output = manifest.outputs.classes_by_output
    if by_output is None:
        return lambda label: label
    return lambda labels: [classes.index(label) for classes, label in zip(by_output, labels, strict=True)]


def _numbers(values: list[Any]) -> list[Any]:
    """The original's outputs come as JSON has them, with what is not finite as text."""
    return [_numbers(value) if isinstance(value, list) else float(value) for value in values]
