"""Columns of values become the graph's tensors."""

from __future__ import annotations

import numpy as np
import pytest

from mldeploy_runtime.arrays import feed_of
from mldeploy_runtime.bundle import Graph, Input, Manifest, Outputs, Tensor

INPUTS = (
    Input("a", "float", nullable=True),
    Input("b", "int", nullable=False),
    Input("c", "bool", nullable=False),
    Input("s", "string", nullable=True),
    Input("t", "string", nullable=False),
)
COLUMNS = [(1.5, None), (2, 3), (True, False), ("x", None), ("y", "")]


def manifest(*tensors: Tensor) -> Manifest:
    graph = Graph(tensors=tensors, missing_string="?", value="value")
    return Manifest("model", "1", "0", "regressor", INPUTS, Outputs(), graph)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fields_are_packed_as_columns_in_the_tensors_order(dtype: str) -> None:
    feed = feed_of(manifest(Tensor("x", dtype, ("c", "a", "b"))))(COLUMNS)  # type: ignore[arg-type]
    assert feed["x"].dtype == dtype
    assert feed["x"].flags.c_contiguous
    np.testing.assert_array_equal(feed["x"], [[1.0, 1.5, 2.0], [0.0, np.nan, 3.0]])


def test_each_tensor_of_one_field_gets_its_own_column() -> None:
    feed = feed_of(
        manifest(
            Tensor("x_a", "float64", ("a",)),
            Tensor("x_s", "string", ("s",)),
            Tensor("x_b", "int64", ("b",)),
            Tensor("x_c", "bool", ("c",)),
            Tensor("x_b_too", "float64", ("b",)),
            Tensor("x_t", "string", ("t",)),
        )
    )(COLUMNS)
    np.testing.assert_array_equal(feed["x_a"], [[1.5], [np.nan]])
    assert feed["x_b"].tolist() == [[2], [3]]
    assert feed["x_c"].tolist() == [[True], [False]]
    assert feed["x_b_too"].tolist() == [[2.0], [3.0]]
    assert feed["x_s"].tolist() == [["x"], ["?"]]
    assert feed["x_t"].tolist() == [["y"], [""]]
    assert {name: array.dtype.name for name, array in feed.items()} == {
        "x_a": "float64",
        "x_b": "int64",
        "x_c": "bool",
        "x_b_too": "float64",
        "x_s": "object",
        "x_t": "object",
    }


def test_missing_text_in_a_packed_tensor_becomes_the_sentinel() -> None:
    feed = feed_of(manifest(Tensor("texts", "string", ("t", "s"))))(COLUMNS)
    assert feed["texts"].tolist() == [["y", "x"], ["", "?"]]


def test_identifiers_keep_every_digit_in_an_int64_tensor() -> None:
    columns = [(0.0,), (2**63 - 1,), (True,), ("",), ("",)]
    assert feed_of(manifest(Tensor("x", "int64", ("b",))))(columns)["x"].tolist() == [[2**63 - 1]]
