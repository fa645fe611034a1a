"""The baseline: how each field was distributed in the sample, kept to measure drift against."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mldeploy.model.rows import Rows, Value
    from mldeploy.model.signature import Field

SCHEMA = 1
QUANTILES = tuple(step / 20 for step in range(21))
MAX_CATEGORIES = 100


def baseline(fields: list[Field], sample: Rows | None, labels: list[Any], values: list[float]) -> dict[str, Any]:
    """For each field the rate of missing values and either quantiles (every 5 %) or counts of categories.

    Likewise for what the original answers to the sample: `labels`, `values`, or neither.
    """
    described = {} if sample is None else {field.name: _field(field, sample.columns[field.name]) for field in fields}
    predictions = _categories(labels) if labels else _numbers(values) if values else None
    rows = 0 if sample is None else len(sample)
    return {"schema": SCHEMA, "rows": rows, "fields": described, "predictions": predictions}


def _field(field: Field, values: list[Value]) -> dict[str, Any]:
    present = [value for value in values if value is not None]
    result: dict[str, Any] = {"missing": 1 - len(present) / len(values)}
    if field.dtype in ("float", "int") and field.categories is None:
        return result | _numbers(present)
    return result | _categories(present)


def _numbers(values: list[Any]) -> dict[str, Any]:
    quantiles = np.quantile(np.array(values, dtype=np.float64), QUANTILES).tolist() if values else []
    return {"kind": "number", "quantiles": quantiles}


def _categories(present: list[Any]) -> dict[str, Any]:
    counts = Counter(present).most_common()
    kept = sorted(counts, key=lambda item: (-item[1], str(item[0])))[:MAX_CATEGORIES]
    other = len(present) - sum(count for _, count in kept)
    categories = [{"value": value, "count": count} for value, count in kept]
    return {"kind": "category", "categories": categories, "other": other}
