"""What a pickle would import and call, found without importing or calling anything.

The file is read by Python's own pickle machine with every class and function replaced by a stand-in, so
the names are those that loading would use, however they are spelled in the stream. joblib writes the bytes
of arrays inside the stream; their length follows from the stand-in's state, and they are skipped.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

from mldeploy.errors import UsageError
from mldeploy.model.names import CODE, PACKAGES, STANDARD, is_known, may_be_called
from mldeploy.model.recorded import recorded_version
from mldeploy.model.standins import StandIn, array_dtype, count_of, stand_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PREFIXES = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7zXZ": lzma.open, b"\x5d\x00": lzma.open}
LZ4 = b"\x04\x22\x4d\x18"
CHUNK = 1 << 24

ARRAY = "joblib.numpy_pickle.NumpyArrayWrapper"
ARRAY_STATE = {"allow_mmap", "dtype", "numpy_array_alignment_bytes", "order", "shape", "subclass"}
OLD_ARRAYS = ".NDArrayWrapper", ".ZNDArrayWrapper"


@dataclass(frozen=True)
class Names:
    """What loading a file would use.

    `imported` and, of these, `called` are full names; `versions` maps a library, by the name it is imported
    under, to the versions that the file records of it.
    """

    imported: frozenset[str]
    called: frozenset[str]
    versions: dict[str, frozenset[str]]

    @property
    def packages(self) -> frozenset[str]:
        """The packages that would be imported, by their top-level names."""
        return frozenset(name.partition(".")[0] for name in self.imported)

    @property
    def holds_code(self) -> bool:
        """Whether functions or classes lie in the file by value, as bytecode of the Python that saved it."""
        return any(name.rpartition(".")[2] in CODE for name in self.imported)


def require_trusted(path: Path, trust: Iterable[str] = ()) -> Names:
    """What the file would use; refused when it would import or call what lies outside the trusted packages and `trust`.

    `trust` holds names of packages, modules, classes or functions. Raises UsageError naming what was found.
    """
    names = scan(path)
    if any(name.endswith(OLD_ARRAYS) for name in names.imported):
        raise UsageError(
            f"{path.name} was saved by joblib before 0.10",
            cause="its arrays lie in other files, which are opened without being looked at",
            remedy="Open it with the joblib that saved it, and save it again with joblib 0.10 or later.",
        )
    given = tuple(trust)
    strange = sorted(name for name in names.imported if not (is_known(name) or _is_under(name, given)))
    called = sorted(name for name in names.called if not (may_be_called(name) or _is_under(name, given)))
    found = list(dict.fromkeys([*strange, *called]))
    if found and all(_is_under(name, ["__main__"]) for name in found):
        raise UsageError(
            f"{path.name} needs code that is not in it",
            cause=f"{', '.join(found[:8])}: defined in a notebook or script, of which the file keeps the name alone",
            remedy="Keep it in a module, import it from there, save the model again, and give its folder: --code DIR.",
        )
    if found:
        cause = f"loading it uses {', '.join(found[:8])}" + (f" and {len(found) - 8} more" if len(found) > 8 else "")
        remedy = "If you know this code, allow it: " + " ".join(f"--trust {name}" for name in _shortest(found)[:8])
        if names.holds_code:
            cause = f"it holds functions or classes of a notebook or script by value, with their bytecode; {cause}"
            remedy += (
                "; where no graph answers alike, --backend native serves it. Or keep the code in a module, save the "
                "model again by joblib, and give the module's folder: --code DIR."
            )
        raise UsageError(f"{path.name} was not opened: it would run code of its own", cause=cause, remedy=remedy)
    return names


def modules_of(code: Path) -> list[str]:
    """The names of the modules and packages in the folder `code`. UsageError when there are none."""
    names = {path.stem for path in code.glob("*.py")} | {path.parent.name for path in code.glob("*/*.py")}
    if not names:
        raise UsageError(
            f"there are no modules in {code}",
            remedy="Name the folder that holds the modules which the model imports: --code DIR.",
        )
    return sorted(names)


def scan(path: Path) -> Names:
    """Read a joblib or pickle file, compressed or not, without importing or calling anything it names."""
    try:
        with _decompressed(path) as stream:
            machine = _Machine(stream, arrays=True)
            machine.load()
    except UsageError:
        raise
    except Exception as failure:
        # Damaged bytes drive the pickle machine into any error; whichever it is, this is no model file.
        raise UsageError(
            f"{path.name} cannot be read as a model",
            cause=f"it is damaged or no joblib or pickle file ({type(failure).__name__}: {failure})",
            remedy="Save it again with joblib.dump(model, FILE), and check that the copy is complete.",
        ) from failure
    versions = {library: frozenset(found) for library, found in machine.versions.items()}
    return Names(frozenset(machine.imported), frozenset(machine.called), versions)


def _decompressed(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(LZ4):
        raise UsageError(
            f"{path.name} is compressed by lz4, which is not read",
            cause="Python itself does not have it",
            remedy="Save the model again: joblib.dump(model, FILE, compress=3).",
        )
    for prefix, opened in PREFIXES.items():
        if start.startswith(prefix):
            return opened(path, "rb")  # type: ignore[no-any-return, operator]
    if start.startswith(b"\x78"):
        return BytesIO(zlib.decompress(path.read_bytes()))
    return path.open("rb")


class _Machine(pickle._Unpickler):
    """Python's own unpickler, whose imports give stand-ins and note their names.

    With `arrays` it reads what joblib writes, where an array's bytes follow its wrapper; else plain pickle.
    """

    dispatch = pickle._Unpickler.dispatch.copy()

    def __init__(self, stream: IO[bytes], *, arrays: bool) -> None:
        super().__init__(stream)
        self.stream = stream
        self.arrays = arrays
        self.imported: set[str] = set()
        self.called: set[str] = set()
        self.versions: dict[str, set[str]] = {}

    def find_class(self, module: str, name: str) -> type[StandIn]:
        self.imported.add(f"{module}.{name}")
        owner, dot, _ = name.partition(".")
        if dot and not owner.lstrip("_")[:1].isupper():
            # A method of a class is reached so; through anything else leads a way out of the module.
            self.imported.add(f"{module}.{owner}")
            self.called.add(f"{module}.{owner}")
        return stand_in(f"{module}.{name}", self.called, self.find_class)

    def load_build(self) -> None:
        state = self.stack[-1]  # type: ignore[attr-defined]
        super().load_build()  # type: ignore[misc]
        top = self.stack[-1]  # type: ignore[attr-defined]
        if not isinstance(top, StandIn):
            return
        if self.arrays and top.name == ARRAY:
            self._skip_array(state)
        elif recorded := recorded_version(top.name, state):
            library, version = recorded
            self.versions.setdefault(library, set()).add(version)

    dispatch[pickle.BUILD[0]] = load_build  # type: ignore[assignment]

    def _skip_array(self, state: dict[str, Any]) -> None:
        """Step over the bytes that joblib wrote behind the wrapper of an array; those of objects are a pickle."""
        if not state.keys() <= ARRAY_STATE:
            raise ValueError("an array has attributes that joblib does not give it")
        dtype = array_dtype(state["dtype"])
        if dtype.hasobject:
            nested = _Machine(self.stream, arrays=False)
            nested.imported, nested.called, nested.versions = self.imported, self.called, self.versions
            nested.load()
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self._skip(self.stream.read(1)[0])
        self._skip(count_of(state["shape"]) * dtype.itemsize)

    def _skip(self, size: int) -> None:
        while size > 0:
            read = len(self.stream.read(min(size, CHUNK)))
            if not read:
                raise EOFError("the file ends inside an array")
            size -= read


def _is_under(name: str, trusted: Sequence[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in trusted)


def _shortest(names: list[str]) -> list[str]:
    """What to trust: a package as a whole, but of a package that is trusted already the name itself."""
    roots = [(name.partition(".")[0], name) for name in names]
    return list(dict.fromkeys(name if root in PACKAGES or name in STANDARD else root for root, name in roots))
