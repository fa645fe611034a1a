"""The exact emitter: a float64 ONNX graph written straight from fitted estimators.

`registry` maps an estimator's exact class to the function that writes it; each module beside it holds
one family and registers its functions when imported.
"""

from importlib import import_module
from pkgutil import iter_modules

from .model import write_model
from .registry import NotEmitted

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")

__all__ = ["NotEmitted", "write_model"]
