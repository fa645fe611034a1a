"""What is answered for a row while the circuit is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mldeploy_runtime.bundle import BundleError

if TYPE_CHECKING:
    from mldeploy_runtime.bundle import Baseline, Manifest
    from mldeploy_runtime.predictions import Raw

NONE = "none"
PRIOR = "prior"


def fallback_of(manifest: Manifest, baseline: Baseline, setting: str) -> Raw | None:
    """What stands for the graph's answer to any row; None for no fallback.

    `setting` is `none`; `prior`, for how often the original answered each class to the sample, or the median of its
    values; or a constant in JSON, a class or a value. Raises BundleError when the model cannot have it.
    """
    if setting == NONE:
        return None
    if manifest.task not in ("classifier", "regressor"):
        raise BundleError(f"a {manifest.task} takes no fallback but {NONE}")
    if setting == PRIOR:
        return _prior(manifest, baseline)
    try:
        constant = msgspec.json.decode(setting)
    except msgspec.DecodeError:
        raise BundleError(f"the fallback {setting!r} is neither {NONE}, {PRIOR} nor a constant in JSON") from None
    if manifest.task == "regressor":
        if type(constant) not in (int, float):
            raise BundleError(f"the fallback {setting} is no number, which a regressor answers")
        return (float(constant),)
    classes = list(manifest.outputs.classes or ())
    if type(constant) is not type(classes[0]) or constant not in classes:
        raise BundleError(f"the fallback {setting} is none of the classes {msgspec.json.encode(classes).decode()}")
    return _class(manifest, constant, [float(label == constant) for label in classes])


def _prior(manifest: Manifest, baseline: Baseline) -> Raw:
    seen = baseline.predictions
    if seen is None or not (seen.quantiles or seen.categories):
        raise BundleError("the bundle knows no prior: package the model with --sample")
    if manifest.task == "regressor":
        return (seen.quantiles[len(seen.quantiles) // 2],)
    counts = {category.value: category.count for category in seen.categories}
    classes = manifest.outputs.classes or ()
    shares = [counts.get(label, 0) / sum(counts.values()) for label in classes]
    return _class(manifest, classes[shares.index(max(shares))], shares)


def _class(manifest: Manifest, label: Any, probabilities: list[float]) -> Raw:
    return (label,) if manifest.graph.probabilities is None else (label, probabilities)
