"""From scores to labels and probabilities, by each estimator's own rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .graph import Graph


def sign_index(graph: Graph, decision: str, strict: bool = True) -> str:
    """1 where the one score, double [rows, 1], is above 0 (or at it, when not strict), else 0."""
    above = graph.add("Greater" if strict else "GreaterOrEqual", decision, 0.0)
    return graph.add("Reshape", graph.cast(above, TensorProto.INT64), np.array([-1]))


def outlier_label(graph: Graph, score: str, strict: bool = True) -> str:
    """-1, or 1 where the score, double [rows, 1], is above 0 (or at it, when not strict)."""
    return graph.add("Gather", np.array([-1, 1]), sign_index(graph, score, strict), axis=0)


def top_index(graph: Graph, scores: str) -> str:
    """The first largest of the scores, double [rows, classes]."""
    return graph.add("ArgMax", scores, axis=1, keepdims=0)


def top_indices(graph: Graph, shares: str, counts: Sequence[int]) -> str:
    """The first largest of each output's own `counts[output]` columns: int64 [rows, outputs]."""
    parts = graph.add_many("Split", shares, np.asarray(counts, dtype=np.int64), count=len(counts), axis=1)
    return side_by_side(graph, [top_index(graph, part) for part in parts])


def side_by_side(graph: Graph, tensors: Sequence[str]) -> str:
    """Tensors [rows] as the columns of one [rows, len(tensors)]."""
    return graph.add("Concat", *(graph.add("Unsqueeze", each, np.array([1])) for each in tensors), axis=1)


def label_index(graph: Graph, decision: str, classes: int) -> str:
    """The rule of linear classifiers: with two classes the sign of the one score, else the largest."""
    return sign_index(graph, decision) if classes == 2 else top_index(graph, decision)


def binary_probabilities(graph: Graph, positive: str) -> str:
    """[1 - p, p] from p, double [rows, 1]."""
    return graph.add("Concat", graph.add("Sub", 1.0, positive), positive, axis=1)


def probabilities_of_labels(graph: Graph, positive: str) -> str:
    """[1 - p, p] of each label side by side, from double [rows, labels]."""
    both = [graph.add("Unsqueeze", each, np.array([2])) for each in (graph.add("Sub", 1.0, positive), positive)]
    return graph.add("Flatten", graph.add("Concat", *both, axis=2), axis=1)


def sigmoid(graph: Graph, decision: str) -> str:
    """1 / (1 + exp(-x)) as it stands: onnxruntime's own operator loses what is below 1e-16."""
    return graph.add("Div", 1.0, graph.add("Add", graph.add("Exp", graph.add("Neg", decision)), 1.0))


def softmax(graph: Graph, decision: str) -> str:
    return graph.add("Softmax", decision, axis=1)


def shares(graph: Graph, scores: str) -> str:
    """Each row divided by its sum; a row of zeros gives equal shares."""
    total = graph.add("ReduceSum", scores, np.array([1]), keepdims=1)
    scores = graph.add("Where", graph.add("Equal", total, 0.0), 1.0, scores)
    return graph.add("Div", scores, graph.add("ReduceSum", scores, np.array([1]), keepdims=1))


def flat(graph: Graph, tensor: str) -> str:
    """[rows, 1] as [rows]."""
    return graph.add("Reshape", tensor, np.array([-1]))


def one_of(graph: Graph, index: str, size: int) -> str:
    """1 in the column that the index, int64 [rows], names: double [rows, size]."""
    return graph.add("Gather", np.eye(size), index, axis=0)


def column(graph: Graph, tensor: str, place: int) -> str:
    """One column of a double tensor, as [rows, 1]."""
    return graph.add("Gather", tensor, np.array([place]), axis=1)


def mean(graph: Graph, tensors: Sequence[str], weights: Sequence[float] | None = None) -> str:
    """The (weighted) mean of tensors of one shape, added up in their order."""
    shares = [1.0] * len(tensors) if weights is None else [float(weight) for weight in weights]
    total = tensors[0] if weights is None else graph.add("Mul", tensors[0], shares[0])
    for tensor, weight in zip(tensors[1:], shares[1:]):
        total = graph.add("Add", total, tensor if weights is None else graph.add("Mul", tensor, weight))
    return graph.add("Div", total, float(sum(shares)))
