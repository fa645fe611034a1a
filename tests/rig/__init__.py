"""The rig: a registry and a bare virtual machine made of real parts, for the demo and the integration tests."""

from tests.rig.rig import Rig, down, up, up_second_vm, use
from tests.rig.shell import RigError
from tests.rig.vm import Vm

__all__ = ["Rig", "RigError", "Vm", "down", "up", "up_second_vm", "use"]
