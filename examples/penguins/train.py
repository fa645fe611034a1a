"""Train two versions of a penguin classifier on the Palmer penguins data, where `sex` and some measures are missing.

    python -m examples.penguins.train --out DIR

writes penguins_v1.0.0.joblib, penguins_v1.1.0.joblib and penguins.parquet, the training rows as a sample.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import joblib
from palmerpenguins import load_penguins
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
WORDS = ["island", "sex"]
SEED = 7


def load() -> tuple[pd.DataFrame, pd.Series[str]]:
    """The rows, [344, 7] with missing values, and the species of each."""
    penguins: pd.DataFrame = load_penguins()
    return penguins.drop(columns="species"), penguins["species"]


def version_1_0() -> Pipeline:
    """Scaled measures, one-hot words, logistic regression."""
    measures = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    columns = ColumnTransformer([("measures", measures, MEASURES), ("words", words, WORDS)], remainder=StandardScaler())
    return make_pipeline(columns, LogisticRegression(max_iter=1000))


def version_1_1() -> Pipeline:
    """Measures with a flag for what was missing, words as numbers, gradient boosting."""
    measures = SimpleImputer(strategy="mean", add_indicator=True)
    unknown = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    words = make_pipeline(SimpleImputer(strategy="constant", fill_value="unknown"), unknown)
    columns = ColumnTransformer([("measures", measures, MEASURES), ("words", words, WORDS)], remainder="passthrough")
    return make_pipeline(columns, GradientBoostingClassifier(n_estimators=60, max_depth=3, random_state=SEED))


def train(out: Path) -> None:
    """Fit both versions and write them, with the training rows, into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    rows, species = load()
    train_rows, test_rows, train_species, test_species = train_test_split(
        rows, species, test_size=0.25, random_state=SEED, stratify=species
    )
    for version, pipeline in (("1.0.0", version_1_0()), ("1.1.0", version_1_1())):
        pipeline.fit(train_rows, train_species)
        path = out / f"penguins_v{version}.joblib"
        joblib.dump(pipeline, path)
        print(f"{path}: accuracy {pipeline.score(test_rows, test_species):.3f} on {len(test_rows)} rows kept apart")
    sample = out / "penguins.parquet"
    train_rows.to_parquet(sample, index=False)
    print(f"{sample}: {len(train_rows)} rows")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("models"), help="folder to write to (default: models)")
    train(parser.parse_args().out)
