"""From a fitted model to a proven, rollback-safe endpoint on one machine."""

from importlib.metadata import version

__version__ = version("mldeploy")
