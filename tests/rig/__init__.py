"""The rig: a registry and a bare virtual machine made of real parts, for the demo and the integration tests."""

from tests.rig.rig import Rig, down, second_vm, up, use
from tests.rig.shell import RigError
from tests.rig.vm import Vm

__all__ = ["Rig", "RigError", "Vm", "down", "second_vm", "up", "use"]
