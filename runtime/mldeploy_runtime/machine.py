"""How much of the machine this container may use."""

from __future__ import annotations

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def cores(root: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """Whole cores: the process's own, or what the limits of its control groups leave of them; at least one."""
    quotas = []
    for text in _limits("cpu.max", root, own):
        quota, period = text.split()
        if quota != "max":
            quotas.append(int(quota) // int(period))
    return max(1, min([len(os.sched_getaffinity(0)), *quotas]))


def memory_bytes(root: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """The machine's memory, or the least that a limit of its control groups leaves of it."""
    limits = [int(text) for text in _limits("memory.max", root, own) if text.strip() != "max"]
    return min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *limits])


def _limits(name: str, root: Path, own: Path) -> list[str]:
    """The texts of one limit in this process's control group (version 2) and all above it."""
    groups = [line.partition("0::")[2] for line in own.read_text().splitlines() if line.startswith("0::")]
    group = root / (groups[0] if groups else "/").lstrip("/")
    files = [folder / name for folder in (group, *group.parents) if folder.is_relative_to(root)]
    return [file.read_text() for file in files if file.is_file()]
