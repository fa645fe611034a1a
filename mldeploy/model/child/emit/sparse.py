"""Where the original's steps hand on sparse matrices: to xgboost what these do not store is missing, and no zero."""

from __future__ import annotations

from typing import Any

KEEPING = frozenset(
    {
        *("Binarizer", "FunctionTransformer", "MaxAbsScaler", "Normalizer", "PolynomialFeatures", "RobustScaler"),
        *("StandardScaler", "SimpleImputer", "TfidfTransformer"),
        *("GenericUnivariateSelect", "RFE", "RFECV", "SelectFdr", "SelectFpr", "SelectFromModel", "SelectFwe"),
        *("SelectKBest", "SelectPercentile", "SequentialFeatureSelector", "VarianceThreshold"),
    }
)
"""Steps of scikit-learn that answer a sparse matrix with another."""

MAKING = frozenset({"CountVectorizer", "FeatureHasher", "HashingVectorizer", "TfidfVectorizer"})
"""Steps of scikit-learn that always answer one."""


def gives_sparse(step: Any, takes_sparse: bool) -> bool:
    """Whether the output of a fitted step of one input is a sparse matrix."""
    kind = type(step).__name__
    for setting in ("sparse_output_", "sparse_output", "sparse"):
        if isinstance(getattr(step, setting, None), bool):
            return bool(getattr(step, setting))
    if kind == "KBinsDiscretizer":
        return bool(step.encode == "onehot")
    return kind in MAKING or (takes_sparse and kind in KEEPING)
