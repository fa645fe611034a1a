"""One estimator an output, each for itself or in a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import scores
from .ensembles import label_of, response, value_of
from .graph import columns_of
from .registry import Prediction, composite, predict, require

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


@composite("sklearn.multioutput:RegressorChain")
def regressor_chain(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    values: list[str] = []
    for estimator in model.estimators_:
        given = [column for value in values for column in _column(graph, value)]
        values.append(value_of(predict(graph, estimator, columns + given), estimator))
    return Prediction(value=scores.side_by_side(graph, _in_order(model, values)))


@composite("sklearn.multioutput:ClassifierChain")
def classifier_chain(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    """Each estimator is given what those before it answered: their labels, or one number of their scores."""
    method = getattr(model, "chain_method_", "predict")
    require(method in ("predict", "predict_proba", "decision_function"), model, f"chain_method={method!r}")
    answers: list[Prediction] = []
    given: list[Column] = []
    for estimator in model.estimators_:
        require(len(estimator.classes_) == 2, model, "more than two classes of one output")
        answer = predict(graph, estimator, columns + given)
        answers.append(answer)
        if method == "predict":
            labels = np.asarray(estimator.classes_, dtype=np.float64)
            given = given + _column(graph, graph.add("Gather", labels, label_of(answer, estimator), axis=0))
        else:
            tensor, are_shares = response(answer, estimator, (method,))
            given = given + columns_of(scores.column(graph, tensor, 1) if are_shares else tensor, 1)
    indices = [label_of(answer, model) for answer in answers]
    shares = [answer.probabilities for answer in answers if answer.probabilities is not None]
    return Prediction(
        indices=scores.side_by_side(graph, _in_order(model, indices)),
        probabilities=graph.add("Concat", *_in_order(model, shares), axis=1) if len(shares) == len(answers) else None,
    )


def _column(graph: Graph, values: str) -> list[Column]:
    """A double tensor [rows] as a column."""
    return columns_of(graph.add("Unsqueeze", values, np.array([1])), 1)


def _in_order(model: Any, chained: list[str]) -> list[str]:
    """What the chain gave, in the order of the outputs."""
    return [chained[place] for place in np.argsort(model.order_)]
