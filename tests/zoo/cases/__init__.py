"""The zoo: fitted models of every family that converts, on data that packages ship, with fixed seeds."""

from __future__ import annotations

from tests.zoo.cases import boosters, classifiers, kinds, regressors, steps, tables, unlabelled
from tests.zoo.cases.case import Case

FAMILIES = (
    boosters,
    classifiers,
    regressors,
    kinds,
    steps,
    tables,
    unlabelled,
)


def all_cases() -> dict[str, Case]:
    """Every case by its name, `data/family`."""
    return {name: case for family in FAMILIES for name, case in family.cases().items()}


__all__ = ["Case", "all_cases"]
