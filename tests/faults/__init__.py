"""Faults: what may go wrong in the middle of a ship or a rollback, done to real parts under traffic."""

from tests.faults.case import Case, Verdict, left_over, run
from tests.faults.injections import FAULTS, Fault
from tests.faults.scene import Scene, prepared

__all__ = ["FAULTS", "Case", "Fault", "Scene", "Verdict", "left_over", "prepared", "run"]
