"""Opening a model file and saying what is in it."""

from __future__ import annotations

import platform
import sys
import warnings
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from .allowed import NotAllowed
from .kinds import find_family

if TYPE_CHECKING:
    from pathlib import Path

    from .allowed import Allowed


class Unusable(Exception):
    """The file cannot be used; says what is wrong, why and what to do."""

    def __init__(self, message: str, cause: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.remedy = remedy


@dataclass(frozen=True)
class Opened:
    model: Any
    family: str
    names: list[str] | None
    width: int
    description: str


def open_model(path: Path, allowed: Allowed) -> Opened:
    """Load `path` and check that it is one fitted model that answers new rows."""
    model = _only_model(path, _load(path, allowed))
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    family = _family(path, model, kind)
    _require_fitted(path, model)
    width = getattr(model, "n_features_in_", None)
    if width is None:
        raise Unusable(
            f"{path.name} cannot be packaged", f"{kind} does not say how many features it takes (n_features_in_)"
        )
    names = getattr(model, "feature_names_in_", None)
    return Opened(
        model=model,
        family=family,
        names=None if names is None else [str(name) for name in names],
        width=int(width),
        description=_describe(model),
    )


def versions(model: Any) -> dict[str, Any]:
    """The exact versions of Python and of the packages that make this model answer."""
    packages = {type(model).__module__.split(".")[0]: None}
    for module in (
        "numpy",
        "scipy",
        "pandas",
        "joblib",
        "sklearn",
        "onnx",
        "skl2onnx",
        "xgboost",
        "lightgbm",
        "catboost",
    ):
        if module in sys.modules:
            packages[module] = None
    names = {"sklearn": "scikit-learn"}
    found = {}
    for module in packages:
        name = names.get(module, module)
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "packages": dict(sorted(found.items()))}


def _load(path: Path, allowed: Allowed) -> Any:
    try:
        import joblib
    except ImportError:
        raise Unusable(
            "joblib is not installed in the model's environment", remedy=f"{sys.executable} -m pip install joblib"
        ) from None
    with allowed.enforced(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = joblib.load(path)
        except NotAllowed as refusal:
            raise Unusable(
                f"{path.name} was not opened: it would run code of its own",
                f"loading it uses {refusal}",
                f"If you know this code, allow it: --trust {refusal.package}",
            ) from refusal
        except ModuleNotFoundError as failure:
            raise Unusable(
                f"{path.name} needs the package {failure.name}",
                f"{failure}, in {sys.executable}",
                "Name a Python that has it: --python PATH.",
            ) from failure
        except AttributeError as failure:
            raise Unusable(
                f"{path.name} needs code that is not there",
                f"{failure}: a class or function was moved, or was defined in a notebook or script",
                "Name the Python it was saved with (--python PATH), or keep the class in an importable package.",
            ) from failure
        except Exception as failure:
            # Any bytes may be in the file, and unpickling raises whatever they lead to.
            raise Unusable(
                f"{path.name} cannot be read as a model",
                f"it is damaged or no joblib or pickle file ({type(failure).__name__}: {failure})",
                "Save it again with joblib.dump(model, FILE), and check that the copy is complete.",
            ) from failure
    _require_version(path, caught)
    return model


def _only_model(path: Path, loaded: Any) -> Any:
    """What was loaded, or the one model in a dictionary, list or tuple of things saved together."""
    if isinstance(loaded, dict):
        found = {str(key): value for key, value in loaded.items() if hasattr(value, "predict")}
    elif isinstance(loaded, (list, tuple)):
        found = {str(place): value for place, value in enumerate(loaded) if hasattr(value, "predict")}
    else:
        return loaded
    if len(found) > 1:
        raise Unusable(
            f"{path.name} holds {len(found)} models",
            f"they are saved under {', '.join(found)}",
            "Save the one to package by itself: joblib.dump(pipeline, FILE).",
        )
    return next(iter(found.values()), loaded)


def _require_version(path: Path, caught: list[warnings.WarningMessage]) -> None:
    """Another scikit-learn than the one that saved a model may answer differently without a word."""
    for warning in caught:
        if type(warning.message).__name__ == "InconsistentVersionWarning":
            saved = warning.message.original_sklearn_version  # type: ignore[union-attr]
            here = warning.message.current_sklearn_version  # type: ignore[union-attr]
            raise Unusable(
                f"{path.name} was saved by scikit-learn {saved}, and this is {here}",
                "another version may answer differently, so it proves nothing",
                f"Name a Python that has scikit-learn {saved} and onnx: --python PATH.",
            )


def _require_fitted(path: Path, model: Any) -> None:
    try:
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted
    except ImportError:
        return
    try:
        check_is_fitted(model.steps[-1][1] if hasattr(model, "steps") else model)
    except NotFittedError as failure:
        raise Unusable(
            f"{path.name} holds a model that is not fitted",
            str(failure).split(".")[0],
            "Call fit() before saving it.",
        ) from failure
    except TypeError:
        return


def _family(path: Path, model: Any, kind: str) -> str:
    family = find_family(model)
    if family is not None:
        return family
    if hasattr(model, "predict"):
        raise Unusable(
            f"{path.name} holds a model of an unknown kind",
            f"it holds a {kind}, which is no classifier, regressor, outlier detector, clusterer or transformer",
            "Give its class the scikit-learn mixin that says what it is, such as ClassifierMixin.",
        )
    if hasattr(model, "fit_predict") or hasattr(model, "fit_transform"):
        raise Unusable(
            f"{path.name} holds a model that answers no new rows",
            f"a {kind} is only able to answer for the rows it was fitted on",
            "Take an estimator with predict() or transform(); LocalOutlierFactor has it with novelty=True.",
        )
    raise Unusable(
        f"{path.name} holds no model",
        f"it holds a {kind}, which has neither predict() nor transform()",
        "Save the fitted estimator or pipeline itself: joblib.dump(pipeline, FILE).",
    )


def _describe(model: Any) -> str:
    steps = getattr(model, "steps", None)
    name = type(model).__name__
    return f"{name}({' -> '.join(type(step).__name__ for _, step in steps)})" if steps else name
