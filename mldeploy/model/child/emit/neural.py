"""Multi-layer perceptrons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .registry import Prediction, predictor, require

if TYPE_CHECKING:
    from .graph import Graph

ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh"}


@predictor("sklearn.neural_network:MLPClassifier")
def mlp_classifier(graph: Graph, model: Any, x: str) -> Prediction:
    output = _layers(graph, model, x)
    if model.out_activation_ == "softmax":
        probabilities = scores.softmax(graph, output)
        return Prediction(scores.top_index(graph, probabilities), probabilities)
    positive = scores.sigmoid(graph, output)
    above = graph.cast(graph.add("Greater", positive, 0.5), TensorProto.INT64)
    if model.n_outputs_ == 1:
        return Prediction(scores.flat(graph, above), scores.binary_probabilities(graph, positive))
    return Prediction(indices=above, probabilities=scores.probabilities_of_labels(graph, positive))


@predictor("sklearn.neural_network:MLPRegressor")
def mlp_regressor(graph: Graph, model: Any, x: str) -> Prediction:
    require(model.out_activation_ in ("identity", "exp"), model, f"output {model.out_activation_!r}")
    output = _layers(graph, model, x)
    output = output if model.n_outputs_ > 1 else scores.flat(graph, output)
    return Prediction(value=output if model.out_activation_ == "identity" else graph.add("Exp", output))


def _layers(graph: Graph, model: Any, x: str) -> str:
    """The last layer before its activation: double [rows, outputs]."""
    last = len(model.coefs_) - 1
    for place, (weights, bias) in enumerate(zip(model.coefs_, model.intercepts_)):
        product = graph.add("MatMul", x, np.asarray(weights, dtype=np.float64))
        x = graph.add("Add", product, np.asarray(bias, dtype=np.float64))
        if place < last and model.activation == "logistic":
            x = scores.sigmoid(graph, x)
        elif place < last and model.activation != "identity":
            x = graph.add(ACTIVATIONS[model.activation], x)
    return x
