"""The data that the zoo's models are trained on: what packages ship, always the same."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from palmerpenguins import load_penguins
from sklearn import datasets

Data = tuple[Any, Any]


@cache
def wine() -> Data:
    """Three classes, 13 numbers."""
    x, y = datasets.load_wine(return_X_y=True, as_frame=True)
    return x, y


@cache
def tumours() -> Data:
    """Two classes named by strings, 30 numbers, some made missing."""
    data = datasets.load_breast_cancer(as_frame=True)
    return data.data, np.where(data.target == 1, "benign", "malignant")


@cache
def tumours_with_gaps() -> Data:
    x, y = tumours()
    return x.mask(np.random.default_rng(1).random(x.shape) < 0.05), y


@cache
def diabetes() -> Data:
    """A positive number from 10 numbers."""
    x, y = datasets.load_diabetes(return_X_y=True, as_frame=True)
    return x, y


@cache
def diabetes_with_gaps() -> Data:
    x, y = diabetes()
    return x.mask(np.random.default_rng(1).random(x.shape) < 0.05), y


@cache
def digits() -> Data:
    """Counts in an array without names, ten classes, made smaller."""
    x, y = datasets.load_digits(return_X_y=True)
    return x[:600, 10:30], y[:600]


@cache
def penguins() -> Data:
    """Numbers and words, both with missing values; three species."""
    frame = load_penguins()
    return frame.drop(columns="species"), frame["species"]


@cache
def penguins_numbers() -> Data:
    """Three classes named by strings, from numbers with missing values."""
    x, species = penguins()
    return x.drop(columns=["island", "sex"]), species


@cache
def adelie() -> Data:
    x, species = penguins()
    return x, (species == "Adelie").to_numpy()


@cache
def penguins_by_category() -> Data:
    x, species = penguins()
    return x.astype({"island": "category", "sex": "category"}), species


@cache
def complete_penguins() -> Data:
    frame = load_penguins().dropna()
    return frame.drop(columns="species"), frame["species"]
