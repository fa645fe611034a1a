"""What this process may use: a model that wants more ends in one error, and the machine goes on."""

from __future__ import annotations

import errno
import resource
from contextlib import suppress

from .problems import Unusable

OPEN_FILES = 256
FILE_BYTES = 4 << 30
"""An ONNX file is smaller than 2 GB; nothing else is written."""


def apply(memory: int) -> None:
    """Hold this process to `memory` bytes of address space, and to so many open files and so large ones."""
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        _, most = resource.getrlimit(kind)
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        # Not every system knows each of them.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))


def explained(failure: BaseException) -> Unusable | None:
    """What to say of a failure that comes from one of the limits; None for any other."""
    number = failure.errno if isinstance(failure, OSError) else None
    unmapped = isinstance(failure, ImportError) and "failed to map segment" in str(failure)
    if isinstance(failure, MemoryError) or number == errno.ENOMEM or unmapped:
        gigabytes = resource.getrlimit(resource.RLIMIT_AS)[0] / (1 << 30)
        return _exceeds(f"{gigabytes:.3g} GB of memory", "Give it more with --memory-limit GB.")
    if number == errno.EMFILE:
        return _exceeds(f"{OPEN_FILES} open files", "Look for code of the model that opens files.")
    if number == errno.EFBIG:
        return _exceeds(f"{FILE_BYTES >> 30} GB in one file", "Look for code of the model that writes files.")
    return None


def _exceeds(what: str, remedy: str) -> Unusable:
    return Unusable(
        f"the model's process needs more than {what}", "it is held to that, so that the machine goes on", remedy
    )
