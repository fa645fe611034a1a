"""The exact emitter: a float64 ONNX graph written straight from fitted estimators.

`registry` maps an estimator's exact class to the function that writes it; each module beside it holds
one family and registers its functions when imported.
"""

from . import (  # noqa: F401  registers the families
    bayes,
    calibrate,
    clusters,
    compose,
    decompose,
    dummy,
    encode,
    ensembles,
    features,
    gaussian_process,
    hist,
    impute,
    interpolate,
    kernels,
    lightgbm,
    linear,
    multiclass,
    multioutput,
    neighbors,
    neural,
    outliers,
    piecewise,
    scale,
    select,
    svm,
    trees,
    wrappers,
    xgboost,
)
from .model import write_model
from .registry import NotEmitted

__all__ = ["NotEmitted", "write_model"]
