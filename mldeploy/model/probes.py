"""The rows of the proof: the sample, rows drawn within the signature, and rows made to break a conversion."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import numpy as np

from mldeploy.model.rows import Rows, joined, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mldeploy.model.rows import Value
    from mldeploy.model.sample import Sample
    from mldeploy.model.signature import Field

SEED = 20260901
# Of other rows than those of the proof, for what the proof alone does not settle.
OTHER_SEED = SEED + 1
DRAWN = 1000
MAX_SAMPLE = 10_000
MAX_CATEGORIES = 500
MAX_THRESHOLDS = 3000
MISSING_RATE = 0.05
SIGNS = ("-", "_", ".", ", ", "'", "\n\t", "\u00a0", "\u200b", " 1 ", " é ", " e\u0301 ", "ß")
TEXTS = (
    *("", " ", "0", "naïve café", "日本語 テキスト", "🙂", "A" * 300, "İstanbul IŞIK", "ΟΔΟΣ σοφός"),
    *("cafe\u0301 हिन्दी", " tab\tand\nline  end ", "x_y 42nd don't"),
)


def proof_rows(fields: list[Field], sample: Sample | None, seed: int = SEED) -> Rows:
    """Every row that the proof compares, in a fixed order: the same model and sample give the same rows."""
    source = random.Random(seed)  # noqa: S311
    names = [field.name for field in fields]
    drawn = [_draw_row(fields, source) for _ in range(DRAWN)]
    parts = [rows_of(drawn, ["drawn"] * len(drawn), names)]
    bases = drawn[:200]
    if sample is not None:
        taken = conformed(fields, sample)
        parts.insert(0, taken)
        bases = [taken.instance(row) for row in range(min(len(taken), 200))]
    parts.append(_probe_rows(fields, bases, source))
    return joined(parts)


def conformed(fields: list[Field], sample: Sample) -> Rows:
    """The sample's rows (evenly spread when there are many), each value in its field's dtype."""
    step = max(1, math.ceil(len(sample) / MAX_SAMPLE))
    columns = {field.name: [_conform(field, value) for value in sample.columns[field.name][::step]] for field in fields}
    return Rows(columns, ["sample"] * len(next(iter(columns.values()))))


def _conform(field: Field, value: Value) -> Value:
    if value is None:
        return None
    if field.dtype == "string":
        return str(value)
    if field.dtype == "bool":
        return bool(value)
    if field.dtype == "int":
        return int(value)
    return float(value)


def _draw_row(fields: list[Field], source: random.Random) -> dict[str, Value]:
    return {field.name: _draw(field, source) for field in fields}


def _draw(field: Field, source: random.Random) -> Value:
    if field.nullable and source.random() < MISSING_RATE:
        return None
    if field.dtype == "bool":
        return source.random() < 0.5
    if field.categories:
        return source.choice(field.categories)  # type: ignore[no-any-return]
    if field.dtype == "string":
        return _sentence(field, source) if field.words else field.usual
    assert isinstance(field.usual, (int, float))  # noqa: S101
    if field.minimum is not None and field.maximum is not None and source.random() < 0.7:
        drawn = source.uniform(field.minimum, field.maximum)
    else:
        drawn = source.gauss(float(field.usual), 2 * field.spread)
    return round(drawn) if field.dtype == "int" else drawn


def _probe_rows(fields: list[Field], bases: list[dict[str, Value]], source: random.Random) -> Rows:
    """Rows that differ from a plausible one in a single field, and one with all missing at once."""
    rows: list[dict[str, Value]] = []
    origins: list[str] = []

    def add(origin: str, changes: Mapping[str, Value]) -> None:
        rows.append({**source.choice(bases), **changes})
        origins.append(origin)

    most = max(2, MAX_THRESHOLDS // len(fields))
    for field in fields:
        for origin, value in _probe_values(field, most):
            add(f"{origin}: {field.name}", {field.name: value})
    missing = {field.name: None for field in fields if field.nullable}
    if len(missing) > 1:
        add("missing: all at once", missing)
    return rows_of(rows, origins, [field.name for field in fields])


def _probe_values(field: Field, most: int) -> list[tuple[str, Value]]:
    values: list[tuple[str, Value]] = []
    if field.nullable:
        values += [("missing", None)] * 3
    if field.categories is not None:
        values += [("category", value) for value in field.categories[:MAX_CATEGORIES]]
        if field.takes_unknown and field.unseen() is not None:
            values += [("unseen", field.unseen())] * 3
            values += [("unseen", value) for value in _beside(field)]
            values += [("text", text) for text in TEXTS if field.dtype == "string"]
        return values
    if field.dtype == "bool":
        return [*values, ("category", False), ("category", True)]
    if field.dtype == "string":
        return [*values, *(("text", text) for text in _texts(field))]
    return values + _number_probes(field, most)


def _beside(field: Field) -> list[Value]:
    """Numbers close to the categories, which a lookup that rounds takes for one of them."""
    if field.dtype == "string" or not field.categories:
        return []
    low = min(field.categories)
    near = [low - 1] if field.dtype == "int" else [low - 1.0, *(each + 0.7 for each in field.categories[:3])]
    return [value for value in near if value not in field.categories]


def _number_probes(field: Field, most: int) -> list[tuple[str, Value]]:
    """Extremes, and what is at and around the field's thresholds, of which at most `most` are taken."""
    low = field.minimum if field.minimum is not None else float(field.usual or 0) - 2 * field.spread
    high = field.maximum if field.maximum is not None else float(field.usual or 0) + 2 * field.spread
    reach = max(abs(low), abs(high), 1.0)
    huge = (reach * 1e6, -reach * 1e6, reach * 1e12)
    extremes = [0.0, -1.0, 1.0, low, high, low - field.spread, high + field.spread, *huge]
    edges = field.thresholds[:: math.ceil(len(field.thresholds) / most) or 1]
    if field.dtype == "int":
        around = {math.floor(edge) + step for edge in edges for step in (-1, 0, 1, 2)}
        return [*(("extreme", int(value)) for value in extremes), *(("threshold", value) for value in sorted(around))]
    probes: list[tuple[str, Value]] = [("extreme", value) for value in [*extremes, 1e-30, -1e-30]]
    for edge in edges:
        probes += [("threshold", value) for value in _around(edge)]
    return probes


def _around(edge: float) -> list[float]:
    """The number itself and its neighbours, as doubles and as float32, in which some models compare."""
    doubles = [math.nextafter(edge, -math.inf), edge, math.nextafter(edge, math.inf)]
    if abs(edge) > np.finfo(np.float32).max:
        return doubles
    return doubles + [float(np.nextafter(np.float32(edge), np.float32(end))) for end in (-math.inf, math.inf)]


def _sentence(field: Field, source: random.Random) -> str:
    return " ".join(source.choices(field.words, k=source.randint(1, 12)))


def _texts(field: Field) -> list[str]:
    """Odd texts, and the model's own words in odd company."""
    if not field.words:
        return list(TEXTS)
    some = field.words[:: math.ceil(len(field.words) / 20)]
    line = " ".join(some)
    return [
        *TEXTS,
        *some,
        *(some[0] * 2, f"{some[0]} " * 50, line, line.upper(), line.title(), line[::-1], line + " " + line),
        *(sign.join(some) for sign in SIGNS),
    ]
