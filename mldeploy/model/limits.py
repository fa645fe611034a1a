"""The defaults that `mldeploy package` works within."""

from __future__ import annotations

import os

TOLERANCE = 1e-5
"""The largest error of a number, relative or absolute, whichever is smaller."""

TIME_LIMIT_S = 300.0
"""How long the model's process may take over one step."""


def machine_memory() -> int:
    """All the memory of this machine, in bytes: what the model's process may use."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
