"""What goes with a model beside its own library: the versions that companions.toml holds."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("companions.toml")
CONVERTER = "skl2onnx"


@dataclass(frozen=True)
class Series:
    """A series of scikit-learn: its `latest` version, the Pythons with wheels for it, the preferred one first, and
    what goes with it as pins of the form `name==version`, some with a marker."""

    latest: str
    pythons: tuple[str, ...]
    pins: tuple[str, ...]
    converts: bool

    def pinned(self, package: str) -> str | None:
        """The version that goes with the series; of several, the newest."""
        versions = [pin.split("==")[1].split(";")[0].strip() for pin in self.pins if pin.startswith(f"{package}==")]
        return max(versions, key=release, default=None)


@cache
def all_series() -> tuple[Series, ...]:
    """Every series known, the oldest first. The converter's pins are part of each."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return tuple(
        Series(
            each["scikit-learn"],
            tuple(each["python"]),
            (*each["pins"], *table["converter"]["pins"]),
            each.get("converts", True),
        )
        for each in table["series"]
    )


def series_of(recorded: dict[str, str]) -> Series | None:
    """The series for the versions that a file records, by package; None for a scikit-learn that is not known.

    Without a scikit-learn, it is the first whose booster is not older than the file's, else the newest.
    """
    if version := recorded.get("scikit-learn"):
        return next((each for each in all_series() if release(each.latest)[:2] == release(version)[:2]), None)
    for each in all_series() if recorded else ():
        pinned = [(each.pinned(package), version) for package, version in recorded.items()]
        if all(latest is None or release(latest) >= release(version) for latest, version in pinned):
            return each
    return all_series()[-1]


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, for comparing: 1.10.2.post1 is (1, 10, 2).

    >>> release("1.10.2.post1")
    (1, 10, 2)
    """
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
