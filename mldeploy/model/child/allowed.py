"""What a file may import while it is loaded, judged by what each name turns out to be.

The scan before judged names; a name may lead through a trusted package to something that it merely imported.
"""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class NotAllowed(Exception):
    """A name that leads outside what is allowed; `package` is where it led."""

    def __init__(self, name: str, package: str) -> None:
        super().__init__(name)
        self.package = package


@dataclass(frozen=True)
class Allowed:
    """Packages whose own classes and functions may be imported, and single names beside them."""

    packages: frozenset[str]
    names: frozenset[str]

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Hold every unpickler of this process to it: joblib's is Python's own underneath, and so is any other here."""
        machine: Any = pickle._Unpickler
        find = machine.find_class
        ways: Any = pickle
        in_c = {name: getattr(ways, name) for name in ("Unpickler", "load", "loads")}

        def find_allowed(unpickler: Any, module: str, name: str) -> Any:
            found = find(unpickler, module, name)
            if f"{module}.{name}" not in self.names:
                self._require(f"{module}.{name}", found, module)
            # It imports what it is told to, and so is held to the same.
            return partial(find_allowed, unpickler) if name == "_ufunc_reconstruct" else found

        machine.find_class = find_allowed
        for name in in_c:
            setattr(ways, name, getattr(ways, f"_{name}"))
        try:
            yield
        finally:
            machine.find_class = find
            for name, way in in_c.items():
                setattr(ways, name, way)

    def _require(self, name: str, found: Any, module: str) -> None:
        home = found.__name__ if isinstance(found, ModuleType) else getattr(found, "__module__", None) or module
        package = str(home).partition(".")[0]
        if isinstance(found, ModuleType) or package not in self.packages:
            raise NotAllowed(name, package)
