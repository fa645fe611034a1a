"""The exact emitter: a float64 ONNX graph written straight from fitted estimators.

`registry` maps an estimator's exact class to the function that writes it; each module beside it holds
one family and registers its functions when imported.
"""

from . import compose, encode, hist, impute, linear, scale, trees  # noqa: F401  registers the families
from .model import write_model
from .registry import NotEmitted

__all__ = ["NotEmitted", "write_model"]
