"""The encoders of category_encoders, written as tables: what the fitted encoder answers to each category."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .encode import UNSEEN_TEXT, lookup
from .graph import columns_of
from .impute import is_missing
from .registry import NotEmitted, describe, require, transformer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .graph import Column, Graph

# HashingEncoder is none of them: its columns add up what several categories give.
ENCODERS = (
    *("BackwardDifferenceEncoder", "BaseNEncoder", "BinaryEncoder", "CatBoostEncoder", "CountEncoder", "GLMMEncoder"),
    *("GrayEncoder", "HelmertEncoder", "JamesSteinEncoder", "LeaveOneOutEncoder", "MEstimateEncoder"),
    *("OneHotEncoder", "OrdinalEncoder", "PolynomialEncoder", "QuantileEncoder", "RankHotEncoder", "SumEncoder"),
    *("SummaryEncoder", "TargetEncoder", "WOEEncoder"),
)


@transformer(*(f"category_encoders:{name}" for name in ENCODERS))
def category_encoder(graph: Graph, encoder: Any, columns: list[Column]) -> list[Column]:
    """Columns that it does not encode go through; each other output column hangs on one column alone."""
    names = list(encoder.feature_names_in_)
    outputs = [str(name) for name in encoder.get_feature_names_out()]
    known = known_categories(encoder)
    numbers = {name for name, column in zip(names, columns) if column.kind == "number"}
    base = {name: known[name][0] if name in known else 0.0 if name in numbers else "" for name in names}
    usual = _answer(encoder, base, numbers)
    if usual is None:
        raise NotEmitted(f"{describe(encoder)} refuses its own categories")
    result: dict[int, Column] = {}
    for name, column in zip(names, columns):
        if name not in known:
            result[outputs.index(str(name))] = column
            continue
        tried = [*known[name], column.missing if column.kind == "string" else np.nan, _unseen(column, known[name])]
        answers = [_answer(encoder, {**base, name: value}, numbers) for value in tried]
        table = np.array([each for each in answers if each is not None])
        same = (table == usual) | (np.isnan(table) & np.isnan(usual))
        places = [int(place) for place in np.flatnonzero(~same.all(axis=0))]
        require(not set(places) & set(result), encoder, "output columns that hang on several columns")
        found = lookup(graph, column, known[name], partial(_some_answers, encoder, base, numbers, places, name))
        result.update(zip(places, columns_of(found, len(places))))
    for place in set(range(len(outputs))) - set(result):
        result[place] = _constant(graph, columns[0], usual[place])
    return [result[place] for place in range(len(outputs))]


def known_categories(encoder: Any) -> dict[Any, list[Any]]:
    """The categories that the encoder was fitted on, by the column's name."""
    if hasattr(encoder, "encoder_list"):
        return known_categories(encoder.encoder_list[0])
    ordinal = getattr(encoder, "ordinal_encoder", None) or encoder
    if hasattr(ordinal, "category_mapping"):
        mappings = {each["col"]: each["mapping"] for each in ordinal.category_mapping}
    else:
        mappings = encoder.mapping
    keys = {name: getattr(mappings[name], "index", mappings[name]) for name in encoder.cols}
    return {name: [value for value in values if not is_missing(value)] for name, values in keys.items()}


def _unseen(column: Column, known: list[Any]) -> Any:
    return UNSEEN_TEXT if column.kind == "string" else max(known) + 1.0


def _some_answers(
    encoder: Any, base: dict[Any, Any], numbers: set[Any], places: Sequence[int], name: Any, value: Any
) -> np.ndarray:
    """The outputs `places` for a value; zeros where it is refused: the server refuses it before the graph sees it."""
    answered = _answer(encoder, {**base, name: value}, numbers)
    return np.zeros(len(places)) if answered is None else answered[places]


def _answer(encoder: Any, row: dict[Any, Any], numbers: set[Any]) -> np.ndarray | None:
    """What the encoder answers to one row, double [outputs] with NaN for text; None where it refuses it."""
    import pandas as pd

    frame = pd.DataFrame(
        {name: pd.Series([value], dtype=np.float64 if name in numbers else object) for name, value in row.items()}
    )
    try:
        answered = np.asarray(encoder.transform(frame), dtype=object)[0]
    except ValueError:
        return None
    return np.array([np.nan if isinstance(value, str) else value for value in answered], dtype=np.float64)


def _constant(graph: Graph, column: Column, value: float) -> Column:
    """A column of one value, as long as another."""
    rows = graph.add("Gather", graph.add("Shape", column.tensor), np.array([0]), axis=0)
    shape = graph.add("Concat", rows, np.array([1]), axis=0)
    return columns_of(graph.add("Expand", np.float64(value), shape), 1)[0]
