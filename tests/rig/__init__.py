"""The rig: a registry and a bare virtual machine made of real parts, for the demo and the integration tests."""

from tests.rig.rig import Rig, down, up
from tests.rig.shell import RigError

__all__ = ["Rig", "RigError", "down", "up"]
