"""docs/performance.md, whose sections the benchmarks write: each its own, between marks that readers do not see."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def write_section(name: str, text: str) -> None:
    """Put `text` in place of the section `name`, which must be on the page already."""
    page = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}: written by bench/{name}.py -->\n", f"<!-- end of {name} -->\n"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{PAGE} has no section {name!r}")
    PAGE.write_text(before + begin + "\n" + text.strip() + "\n\n" + end + after, encoding="utf-8")


def machine(*packages: str) -> str:
    """A line on where and with what something was measured."""
    parts = [
        _processor(),
        f"{os.cpu_count()} cores",
        f"Linux {platform.release().split('-')[0]}",
        f"Python {platform.python_version()}",
        *(f"{package} {version(package)}" for package in packages),
    ]
    return f"Measured on {datetime.now(UTC):%d %B %Y}: {', '.join(parts)}."


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()
