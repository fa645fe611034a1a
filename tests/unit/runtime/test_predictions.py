"""The graph's outputs become predictions."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from mldeploy_runtime.bundle import Golden, Graph, Input, Manifest, Outputs
from mldeploy_runtime.golden import compare
from mldeploy_runtime.predictions import prediction_of, unpack_of

PROBABILITIES = [0.2, 0.5, 0.3]


def classifier(
    classes: tuple[Any, ...], labels: tuple[str, ...] | None = None, probabilities: str | None = "p"
) -> Manifest:
    graph = Graph(tensors=(), label="label", probabilities=probabilities)
    inputs = (Input("a", "float", nullable=False),)
    return Manifest("model", "1", "0", "classifier", inputs, Outputs(classes, labels), graph)


def answer(manifest: Manifest, outputs: list[Any], threshold: float | None = None) -> Any:
    predict = prediction_of(manifest)
    arrays = [np.array(output) for output in outputs]
    return msgspec.json.decode(msgspec.json.encode([predict(raw, threshold) for raw in unpack_of(manifest)(arrays)]))


def test_probabilities_are_keyed_by_class_and_the_labels_own_is_named() -> None:
    assert answer(classifier(("a", "b", "c")), [["b"], [PROBABILITIES]]) == [
        {"label": "b", "probability": 0.5, "probabilities": {"a": 0.2, "b": 0.5, "c": 0.3}}
    ]


@pytest.mark.parametrize(
    ("classes", "output", "label"),
    [
        ((0, 1, 2), 1, 1),
        ((False, True), 1, True),
        ((False, True), True, True),
        ((0.5, 1.5, 2.5), 1.5, 1.5),
        ((0.5, 1.5, 2.5), "1.5", 1.5),
        ((10, 20, 30), "20", 20),
    ],
)
def test_a_label_is_answered_as_the_class_itself(classes: tuple[Any, ...], output: Any, label: Any) -> None:
    [prediction] = answer(classifier(classes), [[output], [PROBABILITIES[: len(classes)]]])
    assert prediction["label"] == label
    assert type(prediction["label"]) is type(label)
    assert prediction["probability"] == 0.5


def test_the_models_own_label_stands_even_where_another_class_is_more_probable() -> None:
    [prediction] = answer(classifier((0, 1)), [[1], [[0.6, 0.4]]])
    assert (prediction["label"], prediction["probability"]) == (1, 0.4)


@pytest.mark.parametrize(("threshold", "label"), [(0.4, 1), (0.41, 0), (0.0, 1), (1.0, 0)])
def test_a_threshold_decides_for_the_second_class_from_it_on(threshold: float, label: int) -> None:
    [prediction] = answer(classifier((0, 1)), [[0], [[0.6, 0.4]]], threshold)
    assert prediction["label"] == label


def test_business_labels_are_added_and_probabilities_left_out_where_there_are_none() -> None:
    manifest = classifier((0, 1), ("stays", "leaves"), probabilities=None)
    assert answer(manifest, [[0, 1]]) == [
        {"label": 0, "business_label": "stays"},
        {"label": 1, "business_label": "leaves"},
    ]


def test_what_is_not_finite_is_null() -> None:
    [prediction] = answer(classifier((0, 1)), [[0], [[np.nan, np.inf]]])
    assert prediction == {"label": 0, "probability": None, "probabilities": {"0": None, "1": None}}


def golden(*predictions: dict[str, Any]) -> Golden:
    return Golden(1e-5, [{}] * len(predictions), list(predictions))


@pytest.mark.parametrize(
    ("expected", "answered", "mismatches"),
    [
        ({"value": 1000.0}, {"value": 1000.009}, 0),
        ({"value": 1000.0}, {"value": 1000.011}, 1),
        ({"value": 1e-9}, {"value": 9e-6}, 0),
        ({"value": 0.0}, {"value": 1.1e-5}, 1),
        ({"value": None}, {"value": None}, 0),
        ({"value": 1.0}, {"value": None}, 1),
        ({"label": 1_000_000}, {"label": 1_000_001}, 1),
        ({"label": "yes"}, {"label": "no"}, 1),
        ({"label": 1, "probabilities": {"0": 0.1, "1": 0.9}}, {"label": 1, "probabilities": {"0": 0.1, "1": 0.9}}, 0),
        ({"label": 1, "probabilities": {"0": 0.1, "1": 0.9}}, {"label": 1, "probabilities": {"0": 0.1, "1": 0.8}}, 1),
        ({"label": 1, "probabilities": {"0": 0.1}}, {"label": 1, "probabilities": {"1": 0.1}}, 1),
        ({"label": 1, "probability": 0.5}, {"label": 1}, 1),
    ],
)
def test_golden_rows_agree_within_the_smaller_of_absolute_and_relative_error(
    expected: dict[str, Any], answered: dict[str, Any], mismatches: int
) -> None:
    assert compare(golden(expected), [answered]).mismatches == mismatches


def test_the_greatest_error_is_reported() -> None:
    report = compare(golden({"value": 1.0}, {"value": 200.0}), [{"value": 1.0}, {"value": 201.0}])
    assert (report.rows, report.mismatches) == (2, 1)
    assert report.max_error == pytest.approx(0.005)
