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


def baseline(fields: list[Field], sample: Rows | None) -> dict[str, Any]:
    """For each field the rate of missing values and either quantiles (every 5 %) or counts of categories."""
    described = {} if sample is None else {field.name: _field(field, sample.columns[field.name]) for field in fields}
    return {"schema": SCHEMA, "rows": 0 if sample is None else len(sample), "fields": described}


def _field(field: Field, values: list[Value]) -> dict[str, Any]:
    present = [value for value in values if value is not None]
    result: dict[str, Any] = {"missing": 1 - len(present) / len(values)}
    if field.dtype in ("float", "int") and field.categories is None:
        numbers = np.array(present, dtype=np.float64)
        quantiles = np.quantile(numbers, QUANTILES).tolist() if present else []
        return {**result, "kind": "number", "quantiles": quantiles}
    counts = Counter(present).most_common()
    kept = sorted(counts, key=lambda item: (-item[1], str(item[0])))[:MAX_CATEGORIES]
    other = len(present) - sum(count for _, count in kept)
    categories = [{"value": value, "count": count} for value, count in kept]
    return {**result, "kind": "category", "categories": categories, "other": other}
