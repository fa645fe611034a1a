"""The thin layer that translates between HTTP and the service."""
