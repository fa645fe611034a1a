"""The zoo: fitted models of every family that converts, on data that packages ship, with fixed seeds."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from tests.zoo.cases.case import Case


def all_cases() -> dict[str, Case]:
    """Every case by its name, `data/family`, from each module of this package that has cases."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    families = [module for module in modules if hasattr(module, "cases")]
    return {name: case for family in families for name, case in family.cases().items()}


__all__ = ["Case", "all_cases"]
