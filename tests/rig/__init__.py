"""The rig: a registry and a bare virtual machine made of real parts, for the demo and the integration tests."""
