"""The three models that all benchmarks serve, trained on the spot, and their bundles.

- `numeric`: 100 boosted trees over the 30 numeric fields of the breast cancer data that scikit-learn brings;
- `forest`: 300 trees over the same;
- `mixed`: imputed and scaled numbers and one-hot encoded text, 12 fields and 8, before 200 boosted trees: customers
  drawn at random (seeded), as no data of this shape comes with a package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mldeploy.bundle import Bundle, read_bundle
from mldeploy.model.package import package_model

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parents[1] / "build" / "bench"
NUMBERS, TEXTS, LEVELS = 12, 8, 6


@dataclass(frozen=True)
class Made:
    """A model file, rows like those it was trained on (Parquet), and its bundle."""

    name: str
    model: Path
    sample: Path
    bundle: Bundle


def models() -> list[Made]:
    """All three; those made before are taken as they are."""
    return [made(name, train) for name, train in TRAINED.items()]


def made(name: str, train: Callable[[], tuple[Any, pd.DataFrame]]) -> Made:
    model, sample, bundle = FOLDER / f"{name}.joblib", FOLDER / f"{name}.parquet", FOLDER / f"{name}-1.0.0"
    if not bundle.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        fitted, rows = train()
        joblib.dump(fitted, model)
        rows.to_parquet(sample)
        package_model(model, sample=sample, version="1.0.0", into=FOLDER)
    return Made(name, model, sample, read_bundle(bundle))


def train_numeric() -> tuple[Any, pd.DataFrame]:
    rows, target = load_breast_cancer(return_X_y=True, as_frame=True)
    return GradientBoostingClassifier(n_estimators=100, random_state=0).fit(rows, target), rows


def train_forest() -> tuple[Any, pd.DataFrame]:
    rows, target = load_breast_cancer(return_X_y=True, as_frame=True)
    return RandomForestClassifier(n_estimators=300, random_state=0).fit(rows, target), rows


def train_mixed() -> tuple[Any, pd.DataFrame]:
    random = np.random.default_rng(0)
    size = 4_000
    numbers = {f"number_{index}": random.normal(index, 1 + index, size) for index in range(NUMBERS)}
    texts = {
        f"text_{index}": random.choice([f"level {level}" for level in range(LEVELS)], size) for index in range(TEXTS)
    }
    rows = pd.DataFrame(numbers | texts)
    target = (rows["number_1"] + (rows["text_0"] == "level 1") * 2 + random.normal(0, 1, size)) > 1.5
    rows.loc[random.random(size) < 0.05, "number_3"] = np.nan
    pipeline = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), list(numbers)),
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(texts)),
        ),
        HistGradientBoostingClassifier(max_iter=200, random_state=0),
    )
    return pipeline.fit(rows, target.astype(int)), rows


TRAINED: dict[str, Callable[[], tuple[Any, pd.DataFrame]]] = {
    "numeric": train_numeric,
    "forest": train_forest,
    "mixed": train_mixed,
}
