"""One estimator an output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import scores
from .ensembles import label_of, value_of
from .registry import Prediction, composite, predict

if TYPE_CHECKING:
    from .graph import Column, Graph


@composite("sklearn.multioutput:MultiOutputRegressor")
def multi_output_regressor(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    values = [value_of(predict(graph, each, columns), each) for each in model.estimators_]
    return Prediction(value=scores.side_by_side(graph, values))


@composite("sklearn.multioutput:MultiOutputClassifier")
def multi_output_classifier(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    members = [predict(graph, each, columns) for each in model.estimators_]
    labels = [label_of(answer, each) for answer, each in zip(members, model.estimators_)]
    given = [answer.probabilities for answer in members if answer.probabilities is not None]
    shares = graph.add("Concat", *given, axis=1) if len(given) == len(members) else None
    return Prediction(indices=scores.side_by_side(graph, labels), probabilities=shares)
