"""Models trained on some labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import scores
from .distances import METRICS, summed
from .registry import Prediction, composite, predict, predictor, require

if TYPE_CHECKING:
    from .graph import Column, Graph

AXIS = np.array([1])


@composite("sklearn.semi_supervised:SelfTrainingClassifier")
def self_training(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    return predict(graph, model.estimator_, columns)


@predictor("sklearn.semi_supervised:LabelPropagation", "sklearn.semi_supervised:LabelSpreading")
def label_propagation(graph: Graph, model: Any, x: str) -> Prediction:
    """The labels of all training rows, known or spread to, weighed by how near they are."""
    require(model.kernel in ("rbf", "knn"), model, "a kernel of its own")
    points, shares = np.asarray(model.X_, dtype=np.float64), np.asarray(model.label_distributions_)
    if model.kernel == "rbf":
        near = graph.add("Exp", graph.add("Mul", summed(graph, x, points), -float(model.gamma)))
        weighted = graph.add("MatMul", near, shares)
    else:
        apart = METRICS["euclidean"](graph, x, points, {})
        _, nearest = graph.add_many("TopK", apart, np.array([model.n_neighbors]), count=2, axis=1, largest=0)
        weighted = graph.add("ReduceSum", graph.add("Gather", shares, nearest, axis=0), AXIS, keepdims=0)
    probabilities = graph.add("Div", weighted, graph.add("ReduceSum", weighted, AXIS, keepdims=1))
    # Far from every training row all weights are zero, and of no number at all the first class is the largest.
    known = graph.add("Where", graph.add("IsNaN", probabilities), 0.0, probabilities)
    return Prediction(scores.top_index(graph, known), probabilities)
