"""The pages in docs/ whose sections the benchmarks write: each its own, between marks that readers do not see."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PERFORMANCE = Path(__file__).parents[1] / "docs" / "performance.md"
OPERATIONS = PERFORMANCE.with_name("operations.md")
README = PERFORMANCE.parents[1] / "README.md"
TITLES = {
    "capacity": "## What a small VM carries",
    "overload": "## Twice what one core carries",
    "soak": "## At 80 % for ten minutes",
    "peers": "## Beside other ways to serve the same model",
    "marathon": "### Many in a row",
}
"""The headings of sections that a page has only once they are written."""


def write_section(name: str, text: str, page: Path = PERFORMANCE) -> None:
    """Put `text` in place of the section `name`; at the end of the page, if it is not there yet."""
    known = page.read_text(encoding="utf-8")
    if (title := TITLES.get(name)) and title not in known and _begin(name) not in known:
        with page.open("a", encoding="utf-8") as file:
            file.write(f"\n{title}\n\n{_begin(name)}{_end(name)}")
    before, _, after = _split(name, page)
    page.write_text("".join([*before, "\n", text.strip(), "\n\n", *after]), encoding="utf-8")


def read_section(name: str, page: Path = PERFORMANCE) -> str:
    """What the section `name` says now."""
    return _split(name, page)[1].strip()


def _split(name: str, page: Path) -> tuple[tuple[str, str], str, tuple[str, str]]:
    """The page up to the section with the mark that begins it, the section, and the rest from the mark that ends it."""
    begin, end = _begin(name), _end(name)
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    section, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{page} has no section {name!r}")
    return (before, begin), section, (end, after)


def _begin(name: str) -> str:
    return f"<!-- {name}: written by python -m bench.{name} -->\n"


def _end(name: str) -> str:
    return f"<!-- end of {name} -->\n"


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
