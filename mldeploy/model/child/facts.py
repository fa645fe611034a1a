"""What the fitted steps say about each field: its kind, categories, ranges, and the thresholds to probe.

A walk from the fields through the steps. Each column on its way remembers the field it came from, and
the linear map on it so far, so that a threshold deep in the model can be named in the field's own units.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from .emit.category_encoders import known_categories
from .emit.impute import is_missing
from .emit.registry import splits_of
from .forms import RECORDS, TEXT_FIELD, record_fields, takes_texts
from .kinds import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_THRESHOLDS = 64
MAX_WORDS = 200


@dataclass
class Facts:
    """Of one field. `low` and `high` are what the fit saw exactly; `center` and `spread` only suggest values.

    `categorical` says that the model wants the field as pandas' categories, and `closed` that it has no
    meaningful answer for others; `words` are what a text may hold.
    """

    name: str
    text: bool = False
    boolean: bool = False
    missing_is_none: bool = False
    categorical: bool = False
    closed: bool = False
    categories: list[Any] | None = None
    words: list[str] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    low: float | None = None
    high: float | None = None
    center: float | None = None
    spread: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "thresholds": _spread(sorted(set(self.thresholds)), MAX_THRESHOLDS)}


@dataclass(frozen=True)
class Trace:
    """A column on its way: `value = (field - shift) / scale`, or no known field."""

    facts: Facts | None = None
    shift: float = 0.0
    scale: float = 1.0

    def field_value(self, value: float) -> float:
        return float(value) * self.scale + self.shift


def find_facts(model: Any, names: Sequence[str] | None, width: int) -> list[dict[str, Any]]:
    """One JSON object a field, in the model's own order. Unnamed fields are x0, x1, ..., a model's texts `text`."""
    unnamed = [TEXT_FIELD] if takes_texts(model) else [f"x{place}" for place in range(width)]
    facts = [Facts(name) for name in (names or unnamed)]
    # Facts only suggest rows to try: a step that this walk does not understand must not end it all.
    with suppress(Exception):
        _walk(model, [Trace(each) for each in facts])
    return [each.to_json() for each in facts]


def _walk(step: Any, traces: list[Trace]) -> list[Trace]:
    """Note what one step says of its columns; the traces of the columns it gives."""
    if step is None or isinstance(step, str) or hasattr(step, "fit_resample"):
        return traces
    if hasattr(step, "steps"):
        for _, inner in step.steps:
            traces = _walk(inner, traces)
        return traces
    if hasattr(step, "transformers_"):
        return _walk_columns(step, traces)
    if hasattr(step, "transformer_list"):
        return [trace for _, inner in step.transformer_list for trace in _walk(inner, traces)]
    _note(step, traces)
    for member, given in _members(step, traces):
        _walk(member, given)
    return _after(step, traces)


def _walk_columns(step: Any, traces: list[Trace]) -> list[Trace]:
    chosen = step._transformer_to_input_indices
    result: list[Trace] = []
    for name, inner, _ in step.transformers_:
        if isinstance(inner, str) and inner == "drop":
            continue
        result.extend(_walk(inner, [traces[position] for position in chosen[name]]))
    return result


def _note(step: Any, traces: list[Trace]) -> None:
    if hasattr(step, "build_analyzer") and len(traces) == 1 and traces[0].facts is not None:
        traces[0].facts.text = True
        traces[0].facts.words = _spread(sorted(getattr(step, "vocabulary_", ())), MAX_WORDS)
    if type(step).__name__ in RECORDS:
        for trace, words in zip(traces, record_fields(step).values()):
            if words is not None and trace.facts is not None:
                _note_categories(trace.facts, words)
    if type(step).__module__.startswith("category_encoders."):
        for name, categories in known_categories(step).items():
            facts = traces[list(step.feature_names_in_).index(name)].facts
            if facts is not None:
                _note_categories(facts, categories)
    if hasattr(step, "tree_"):
        inner = step.tree_.children_left >= 0
        _note_thresholds(traces, step.tree_.feature[inner], step.tree_.threshold[inner])
        return
    for place, trace in enumerate(traces):
        if trace.facts is not None:
            _note_column(step, place, trace, trace.facts)
    splits = splits_of(step)
    if splits is not None:
        _note_thresholds(traces, splits.features, splits.thresholds)
        for place, categories in splits.categories.items():
            facts = traces[place].facts if place < len(traces) else None
            if facts is not None:
                _note_categories(facts, categories)
                facts.categorical, facts.closed = True, splits.closed
    if hasattr(step, "_predictors"):
        given = traces if getattr(step, "_preprocessor", None) is None else _walk(step._preprocessor, traces)
        for predictor in [each for stage in step._predictors for each in stage]:
            inner = (predictor.nodes["is_leaf"] == 0) & (predictor.nodes["is_categorical"] == 0)
            nodes = predictor.nodes[inner]
            _note_thresholds(given, nodes["feature_idx"], nodes["num_threshold"])


def _members(step: Any, traces: list[Trace]) -> Iterator[tuple[Any, list[Trace]]]:
    """The fitted estimators that a step is made of, each with the columns it is given."""
    if type(step).__name__ == "FrozenEstimator":
        yield step.estimator, traces
    for calibrated in getattr(step, "calibrated_classifiers_", []):
        yield calibrated.estimator, traces
    members = getattr(step, "estimators_", None)
    if members is not None:
        chosen = getattr(step, "estimators_features_", None)
        for place, member in enumerate(np.ravel(np.array(members, dtype=object))):
            given = traces if chosen is None else [traces[position] for position in chosen[place]]
            # A chain's members are given the answers of those before them, too.
            yield member, given + [Trace()] * (getattr(member, "n_features_in_", 0) - len(given))
        return  # where there are several, `estimator_` is what they were made from
    for name in ("best_estimator_", "estimator_", "regressor_"):
        if hasattr(step, name):
            yield getattr(step, name), _after(step, traces) if hasattr(step, "ranking_") else traces


def _note_column(step: Any, place: int, trace: Trace, facts: Facts) -> None:
    categories = _entry(getattr(step, "categories_", None), place)
    if categories is not None:
        _note_categories(facts, categories)
    fill = _entry(getattr(step, "statistics_", None), place)
    if isinstance(fill, str):
        facts.text = True
    if hasattr(step, "statistics_") and hasattr(step, "missing_values") and step.missing_values is None:
        facts.missing_is_none = True
    if isinstance(fill, (int, float, np.number)) and not is_missing(fill) and facts.center is None:
        facts.center = trace.field_value(float(fill))
    low, high = (_entry(getattr(step, name, None), place) for name in ("data_min_", "data_max_"))
    if low is not None and high is not None:
        facts.low, facts.high = trace.field_value(low), trace.field_value(high)
    for center_name in ("mean_", "center_"):
        center, scale = _entry(getattr(step, center_name, None), place), _entry(getattr(step, "scale_", None), place)
        if center is not None and scale is not None:
            facts.center, facts.spread = trace.field_value(center), abs(float(scale) * trace.scale)
    for edge in _edges(step, place):
        facts.thresholds.append(trace.field_value(edge))


def _note_categories(facts: Facts, categories: Any) -> None:
    values = [value for value in categories if not is_missing(value)]
    facts.missing_is_none = facts.missing_is_none or any(value is None for value in categories)
    known = facts.categories or []
    facts.categories = known + [plain(value) for value in values if plain(value) not in known]
    facts.text = facts.text or any(isinstance(value, str) for value in values)
    facts.boolean = bool(values) and all(isinstance(value, (bool, np.bool_)) for value in values)


def _note_thresholds(traces: list[Trace], features: Any, thresholds: Any) -> None:
    for feature, threshold in zip(features, thresholds):
        facts = traces[feature].facts if feature < len(traces) else None
        if facts is not None and np.isfinite(threshold):
            facts.thresholds.append(traces[feature].field_value(threshold))


def _edges(step: Any, place: int) -> list[float]:
    """Where a step treats a column's values otherwise from there on."""
    edges: dict[str, Callable[[], Any]] = {
        "BernoulliNB": lambda: [] if step.binarize is None else [step.binarize],
        "Binarizer": lambda: [step.threshold],
        "KBinsDiscretizer": lambda: step.bin_edges_[place][1:-1],
        "PowerTransformer": lambda: [0.0],
        "QuantileTransformer": lambda: step.quantiles_[:, place],
        "SplineTransformer": lambda: step.bsplines_[place].t,
    }
    found = edges.get(type(step).__name__)
    return [] if found is None else [float(edge) for edge in found()]


def _after(step: Any, traces: list[Trace]) -> list[Trace]:
    kind = type(step).__name__
    if kind == "StandardScaler":
        return _rescaled(traces, step.mean_ if step.with_mean else None, step.scale_)
    if kind == "RobustScaler":
        return _rescaled(
            traces, step.center_ if step.with_centering else None, step.scale_ if step.with_scaling else None
        )
    if kind == "MaxAbsScaler":
        return _rescaled(traces, None, step.scale_)
    if kind == "MinMaxScaler":
        return _rescaled(traces, -step.min_ / step.scale_, 1.0 / step.scale_)
    if kind == "SimpleImputer":
        kept = [trace for trace, fill in zip(traces, step.statistics_) if not is_missing(fill)]
        return kept + [Trace()] * len(getattr(getattr(step, "indicator_", None), "features_", []))
    if kind in ("IterativeImputer", "KNNImputer") and len(step.get_feature_names_out()) == len(traces):
        return traces
    if kind == "FunctionTransformer" and step.func is None:
        return traces
    if kind == "HashingVectorizer":
        return [Trace()] * step.n_features
    if hasattr(step, "get_support"):
        return [trace for trace, kept in zip(traces, step.get_support()) if kept]
    if hasattr(step, "get_feature_names_out"):
        return [Trace()] * len(step.get_feature_names_out())
    return []


def _rescaled(traces: list[Trace], shift: Any, scale: Any) -> list[Trace]:
    result = []
    for place, trace in enumerate(traces):
        by = 1.0 if scale is None else float(scale[place])
        start = 0.0 if shift is None else float(shift[place])
        result.append(replace(trace, shift=trace.field_value(start), scale=trace.scale * by))
    return result


def _spread(values: list[Any], most: int) -> list[Any]:
    """At most so many of the values, evenly spread over them."""
    if len(values) <= most:
        return values
    return [values[position] for position in np.linspace(0, len(values) - 1, most).round().astype(int)]


def _entry(values: Any, place: int) -> Any:
    """The entry of one column in a fitted attribute that has one a column, else None."""
    if (isinstance(values, np.ndarray) and values.ndim == 0) or not isinstance(values, (list, np.ndarray)):
        return None
    return values[place] if place < len(values) else None
