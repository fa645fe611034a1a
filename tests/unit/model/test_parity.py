"""A graph that does not answer as the original does is never bundled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner

from mldeploy.bundle import Graph, Outputs
from mldeploy.cli import app
from mldeploy.errors import ExitCode
from mldeploy.model.child.emit import write_model
from mldeploy.model.child.kinds import Kind
from mldeploy.model.ladder import ParityError
from mldeploy.model.original import Answers, Original
from mldeploy.model.package import package_model
from mldeploy.model.parity import Converted, Converter, compare
from mldeploy.model.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = Rows({"x": [0.0, 1.0, None]}, ["sample", "threshold: x", "missing: x"])


def probabilities(*positive: float) -> Any:
    return np.array([[1 - each, each] for each in positive])


def answers(labels: list[Any], positive: Any = None, refused: dict[int, str] | None = None) -> Answers:
    outputs = Outputs(classes=("no", "yes"))
    return Answers("classifier", outputs, labels, positive, values=None, scores=None, refused=refused or {})


def converted(labels: list[Any], positive: Any = None) -> Converted:
    return Converted(labels, positive, values=None, scores=None)


def compared(labels: list[Any], positive: tuple[float, ...], tolerance: float = 1e-5) -> Any:
    original = answers(["no", "yes", "yes"], probabilities(0.1, 0.6, 0.9).tolist())
    return compare(ROWS, original, converted(labels, probabilities(*positive)), tolerance)


def test_equal_answers_are_a_proof() -> None:
    proof = compared(["no", "yes", "yes"], (0.1, 0.6, 0.9)).proof
    assert proof.holds
    assert (proof.rows, proof.max_error) == (3, 0.0)


def test_one_flipped_label_is_none_however_close_the_numbers() -> None:
    comparison = compared(["no", "no", "yes"], (0.1, 0.6, 0.9))
    assert not comparison.proof.holds
    assert comparison.proof.label_flips == 1
    [worst] = comparison.worst
    assert (worst.origin, worst.instance) == ("threshold: x", {"x": 1.0})
    assert worst.original.startswith("yes")
    assert worst.converted.startswith("no")


def test_a_number_over_the_tolerance_is_none() -> None:
    comparison = compared(["no", "yes", "yes"], (0.1, 0.6, 0.9001))
    assert comparison.proof.rows_over_tolerance == 1
    assert comparison.worst[0].origin == "missing: x"
    assert compared(["no", "yes", "yes"], (0.1, 0.6, 0.9001), tolerance=1e-2).proof.holds


def test_a_number_that_is_none_is_an_error() -> None:
    assert compared(["no", "yes", "yes"], (0.1, 0.6, float("nan"))).proof.rows_over_tolerance == 1


@pytest.mark.parametrize("kind", ["values", "scores"])
def test_a_graph_that_answers_zero_to_small_numbers_is_none(kind: str) -> None:
    rows = Rows({"x": [0.0, 1.0, 1e9]}, ["sample", "drawn", "huge: x"])
    small = {"values": None, "scores": None, kind: [2e-6, -4e-6, 4e3]}
    original = Answers("regressor", Outputs(), labels=None, probabilities=None, refused={}, **small)  # type: ignore[arg-type]

    def proof(*numbers: float) -> Any:
        answered = {"values": None, "scores": None, kind: np.array(numbers)}
        return compare(rows, original, Converted(None, None, **answered), 1e-5).proof  # type: ignore[arg-type]

    assert proof(0.0, 0.0, 4e3).rows_over_tolerance == 2
    assert proof(2e-6 + 1e-12, -4e-6 + 1e-12, 4e3 + 1e-3).holds


def test_true_and_one_are_different_labels() -> None:
    original = answers([True, False, True])
    assert compare(ROWS, original, converted([1, 0, 1]), 1e-5).proof.label_flips == 3


def test_rows_that_the_original_refuses_are_not_compared() -> None:
    original = answers(["no", None, "yes"], probabilities(0.1, 0.5, 0.9).tolist(), {1: "ValueError"})
    comparison = compare(ROWS, original, converted(["no", "yes", "yes"], probabilities(0.1, 0.0, 0.9)), 1e-5)
    assert comparison.proof.holds
    assert comparison.proof.rows == 2


def perturbed(model: bytes) -> bytes:
    """The graph with its largest matrix of weights off by a thousandth."""
    graph = onnx.load_from_string(model)
    weights = max((each for each in graph.graph.initializer if each.data_type == onnx.TensorProto.DOUBLE), key=size)
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * 1.001, weights.name))
    return bytes(graph.SerializeToString())


def size(tensor: onnx.TensorProto) -> int:
    return int(np.prod(tensor.dims))


def with_labels_swapped(model: bytes) -> bytes:
    graph = onnx.load_from_string(model)
    for tensor in graph.graph.initializer:
        if tensor.data_type == onnx.TensorProto.STRING:
            tensor.string_data[:] = list(tensor.string_data)[::-1]
    return bytes(graph.SerializeToString())


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[bytes], bytes]], None]:
    """Make every conversion pass through `change` before it is proven."""

    def install(change: Callable[[bytes], bytes]) -> None:
        convert = Original.convert

        def changed(self: Original, rung: str, types: Any) -> Any:
            converted = convert(self, rung, types)
            return converted if isinstance(converted, str) else (change(converted[0]), converted[1])

        monkeypatch.setattr(Original, "convert", changed)

    return install


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("change", [perturbed, with_labels_swapped])
def test_a_wrong_graph_is_caught_and_leaves_no_bundle(
    change: Any, breaking: Any, churn: Any, sample: Path, save: Any, tmp_path: Path
) -> None:
    breaking(change)
    with pytest.raises(ParityError) as caught:
        package_model(save(churn), sample=sample, into=tmp_path / "build")
    assert caught.value.exit_code == ExitCode.NOT_PROVEN
    assert caught.value.worst[0].instance.keys() == {"age (years)", "plan", "visits", "member"}
    assert not (tmp_path / "build").exists()


@pytest.mark.usefixtures("in_process")
def test_the_command_shows_the_worst_rows(
    breaking: Any, churn: Any, sample: Path, save: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(with_labels_swapped)
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(app, ["package", str(save(churn)), "--sample", str(sample)])
    assert isinstance(result.exception, ParityError)
    assert "the worst first" in result.stderr
    assert "plan=" in result.stderr
    assert "leaves" in result.stderr


def test_a_graph_answers_batches_of_any_size_alike(churn: Any, people: Any) -> None:
    fields = [
        {"name": "age (years)", "dtype": "float", "missing_is_none": False, "categories": None},
        {"name": "plan", "dtype": "string", "missing_is_none": False, "categories": None},
        {"name": "visits", "dtype": "int", "missing_is_none": False, "categories": None},
        {"name": "member", "dtype": "bool", "missing_is_none": False, "categories": None},
    ]
    model, mapping = write_model(churn, fields, Kind("classifier"))
    converter = Converter(model.SerializeToString(), Graph.model_validate(mapping), Outputs())
    rows = Rows(
        {name: people[name].astype(object).where(people[name].notna(), None).tolist() for name in people}, [""] * 200
    )
    whole = converter.answer(rows)
    for row in range(5):
        one = converter.answer(rows.select([row]))
        assert (one.labels or [])[0] == (whole.labels or [])[row]
        np.testing.assert_array_equal(np.asarray(one.probabilities)[0], np.asarray(whole.probabilities)[row])
