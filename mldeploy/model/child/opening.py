"""Opening a model file and saying what is in it."""

from __future__ import annotations

import importlib
import platform
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from . import limits
from .allowed import NotAllowed
from .boosters import adapted
from .contents import choose_model, feature_names
from .forms import record_names, takes_texts
from .kinds import find_family
from .problems import Unusable

if TYPE_CHECKING:
    from pathlib import Path

    from .allowed import Allowed

LIBRARIES: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("numpy", "scipy", "pandas", "joblib", "onnx", "skl2onnx", "lightgbm", "catboost")},
    "sklearn": ("scikit-learn",),
    "imblearn": ("imbalanced-learn",),
    "category_encoders": ("category-encoders",),
    "xgboost": ("xgboost", "xgboost-cpu"),
}
"""What a model may be made of, by the name it is imported under, as it is installed."""


@dataclass(frozen=True)
class Opened:
    model: Any
    family: str
    names: list[str] | None
    width: int
    description: str


def open_model(
    path: Path,
    allowed: Allowed,
    versions: dict[str, str],
    code: str | None = None,
    select: str | None = None,
) -> Opened:
    """Load `path` and check that it is one fitted model that answers new rows.

    The libraries in `versions` must be at these versions. `code` is a folder of modules that the file may import,
    `select` the name or place of the model among several.
    """
    if code is not None:
        # Where the folder of the script that trained the model was.
        sys.path.insert(0, code)
    _require_versions(path, versions)
    loaded = _load(path, allowed)
    model = adapted(choose_model(path, loaded, select))
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    family = _family(path, model, kind)
    _require_fitted(path, model)
    _require_classes(path, model, family, kind)
    names = record_names(model)
    width = 1 if takes_texts(model) else len(names) if names else getattr(model, "n_features_in_", None)
    if width is None:
        raise Unusable(
            f"{path.name} cannot be packaged", f"{kind} does not say how many features it takes (n_features_in_)"
        )
    return Opened(
        model=model,
        family=family,
        names=names or feature_names(model, loaded, int(width)),
        width=int(width),
        description=_describe(model),
    )


def installed_versions(model: Any) -> dict[str, Any]:
    """The exact versions of Python and of the packages that make this model answer."""
    found = {}
    for module in {*LIBRARIES, type(model).__module__.split(".")[0]} & sys.modules.keys():
        for name in LIBRARIES.get(module, (module,)):
            with suppress(metadata.PackageNotFoundError):
                found[name] = metadata.version(name)
    return {"python": platform.python_version(), "packages": dict(sorted(found.items()))}


def loaded_packages() -> list[dict[str, Any]]:
    """The installed packages of which a module is loaded: name, version, and the names they are imported under."""
    loaded = {name.partition(".")[0] for name in sys.modules}
    found = []
    for package in metadata.distributions():
        modules = {path.parts[0].partition(".")[0] for path in package.files or () if path.suffix in (".py", ".so")}
        if modules & loaded:
            name = package.metadata["Name"]
            found.append({"name": name, "version": package.version, "modules": sorted(modules & loaded)})
    return found


def _load(path: Path, allowed: Allowed) -> Any:
    try:
        import joblib
    except ImportError:
        raise Unusable(
            "joblib is not installed in the model's environment", remedy=f"{sys.executable} -m pip install joblib"
        ) from None
    with allowed.enforced():
        try:
            return joblib.load(path)
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
                "Give it: packages with --requirements FILE, modules of your own with --code DIR; or name a Python "
                "that has it: --python PATH.",
            ) from failure
        except AttributeError as failure:
            raise Unusable(
                f"{path.name} needs code that is not there",
                f"{failure}: a class or function was moved, or was defined in a notebook or script",
                "Keep it in a module that can be imported and give its folder with --code DIR, or name the Python "
                "that it was saved with: --python PATH.",
            ) from failure
        except Exception as failure:
            if limits.explained(failure):
                raise
            # Any bytes may be in the file, and unpickling raises whatever they lead to.
            raise Unusable(
                f"{path.name} cannot be read as a model",
                f"it is damaged or no joblib or pickle file ({type(failure).__name__}: {failure})",
                "Save it again with joblib.dump(model, FILE), and check that the copy is complete.",
            ) from failure


def _require_versions(path: Path, versions: dict[str, str]) -> None:
    """Another version than the one that saved a model may answer differently without a word."""
    for library, saved in versions.items():
        name = LIBRARIES[library][0]
        try:
            here = importlib.import_module(library).__version__
        except ImportError as failure:
            here, why = "none", str(failure)
        else:
            why = "another version may answer differently, so it proves nothing"
        if here != saved:
            raise Unusable(
                f"{path.name} was saved by {name} {saved}, and {sys.executable} has {here}",
                why,
                f"Name a Python that has {name} {saved}, or leave --python out: then an environment is made.",
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


def _require_classes(path: Path, model: Any, family: str, kind: str) -> None:
    if family == "classifier" and not hasattr(model, "classes_"):
        raise Unusable(
            f"{path.name} holds a classifier that does not say its classes",
            f"a {kind} has no classes_ after fitting",
            "Set self.classes_ = numpy.unique(y) in its fit(), as scikit-learn's do, and fit it again.",
        )


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
