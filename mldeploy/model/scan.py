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
from typing import IO, TYPE_CHECKING, Any, ClassVar

import numpy as np

from mldeploy.errors import UsageError
from mldeploy.model.recorded import recorded_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PACKAGES = frozenset(
    {
        "catboost",
        "category_encoders",
        "imblearn",
        "joblib",
        "lightgbm",
        "numpy",
        "pandas",
        "scipy",
        "sklearn",
        "xgboost",
    }
)
"""Classes and functions of these may be named by a model."""

STANDARD = frozenset(
    {
        *(f"builtins.{name}" for name in ("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset")),
        *(f"builtins.{name}" for name in ("int", "list", "object", "range", "set", "slice", "str", "tuple", "type")),
        "__builtin__.object",
        "__builtin__.set",
        "_codecs.encode",
        "abc.ABCMeta",
        "collections.OrderedDict",
        "collections.defaultdict",
        "copy_reg._reconstructor",
        "copyreg.__newobj__",
        "copyreg._reconstructor",
        "datetime.date",
        "datetime.datetime",
        "datetime.timedelta",
        "decimal.Decimal",
        "functools.partial",
        "inspect._empty",
        "pandas.StringDtype",
        *(f"pyarrow.lib.{name}" for name in ("_restore_array", "py_buffer", "type_for_alias")),
    }
)
"""Single names that may be imported and called: the standard library's, and those that rebuild pandas' text."""

BUILDERS = frozenset(
    {
        *(
            "_frombuffer",
            "_mareconstruct",
            "_new_Index",
            "_reconstruct",
            "_ufunc_reconstruct",
            "_unpickle_block",
            "dtype",
            "ndarray",
            "new_Index",
        ),
        *("newObj", "scalar", "__bit_generator_ctor", "__generator_ctor", "__randomstate_ctor"),
    }
)
"""Functions of trusted packages whose only work is to rebuild what was saved."""

CODE = frozenset(
    {"_create_code", "_create_function", "_create_type", "_make_function", "_make_skeleton_class", "CodeType"}
)
"""Functions of cloudpickle and dill (by any path) that make functions and classes of code in the file."""

CLASSES_OF = (
    *("catboost.", "category_encoders.", "imblearn.", "lightgbm.", "numpy._core.", "numpy.core.", "numpy.ma."),
    *("numpy.random.", "pandas._libs.", "pandas.core.", "scipy.interpolate.", "scipy.sparse.", "scipy.stats."),
    *("sklearn.", "xgboost."),
)
"""Where classes may be called while loading: none of theirs opens a file or starts a process."""

PREFIXES = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7zXZ": lzma.open, b"\x5d\x00": lzma.open}
LZ4 = b"\x04\x22\x4d\x18"
CHUNK = 1 << 24


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
    given = tuple(trust)
    strange = sorted(name for name in names.imported if not (_is_known(name) or _is_under(name, given)))
    called = sorted(name for name in names.called if not (_may_be_called(name) or _is_under(name, given)))
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
            machine = _Machine(stream)
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


class _StandIn:
    """In place of an instance of any class: takes whatever pickle does to it and does nothing."""

    name: ClassVar[str] = ""
    calls: ClassVar[set[str]]

    def __new__(cls, *_: Any, **__: Any) -> _StandIn:
        # A class that the file brings itself is what a call gave, and so a stand-in of its own.
        return super().__new__(cls if isinstance(cls, type) else type(cls))

    def __init__(self, *arguments: Any, **_: Any) -> None:
        self.arguments = arguments
        self.calls.add(self.name)

    def __setstate__(self, state: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> _StandIn:
        self.calls.add(f"{self.name}.__call__")
        return self

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...

    def add(self, value: Any) -> None: ...

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class _Machine(pickle._Unpickler):
    """Python's own unpickler, whose imports give stand-ins and note their names."""

    dispatch = pickle._Unpickler.dispatch.copy()

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self.stream = stream
        self.imported: set[str] = set()
        self.called: set[str] = set()
        self.versions: dict[str, set[str]] = {}

    def find_class(self, module: str, name: str) -> type[_StandIn]:
        full = f"{module}.{name}"
        self.imported.add(full)
        return type(name, (_StandIn,), {"name": full, "calls": self.called})

    def load_build(self) -> None:
        state = self.stack[-1]  # type: ignore[attr-defined]
        super().load_build()  # type: ignore[misc]
        top = self.stack[-1]  # type: ignore[attr-defined]
        if not isinstance(top, _StandIn):
            return
        if top.name.endswith("numpy_pickle.NumpyArrayWrapper"):
            self._skip_array(state)
        elif recorded := recorded_version(top.name, state):
            library, version = recorded
            self.versions.setdefault(library, set()).add(version)

    dispatch[pickle.BUILD[0]] = load_build  # type: ignore[assignment]

    def _skip_array(self, state: dict[str, Any]) -> None:
        """Step over the bytes that joblib wrote behind the wrapper of an array."""
        dtype = np.dtype(state["dtype"].arguments[0])
        if dtype.hasobject:
            nested = _Machine(self.stream)
            nested.imported, nested.called, nested.versions = self.imported, self.called, self.versions
            nested.load()
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self._skip(self.stream.read(1)[0])
        self._skip(int(np.prod(state["shape"], dtype=np.int64)) * dtype.itemsize)

    def _skip(self, size: int) -> None:
        while size > 0:
            read = len(self.stream.read(min(size, CHUNK)))
            if not read:
                raise EOFError("the file ends inside an array")
            size -= read


def _is_known(name: str) -> bool:
    return name in STANDARD or name.partition(".")[0] in PACKAGES


def _may_be_called(name: str) -> bool:
    if name in STANDARD:
        return True
    last = name.rpartition(".")[2]
    if name.partition(".")[0] in PACKAGES and (last in BUILDERS or last.startswith("__pyx_unpickle_")):
        return True
    is_class = last.lstrip("_")[:1].isupper()
    return name == "joblib.numpy_pickle.NumpyArrayWrapper" or (is_class and name.startswith(CLASSES_OF))


def _is_under(name: str, trusted: Sequence[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in trusted)


def _shortest(names: list[str]) -> list[str]:
    """What to trust: a package as a whole, but of a package that is trusted already the name itself."""
    roots = [(name.partition(".")[0], name) for name in names]
    return list(dict.fromkeys(name if root in PACKAGES else root for root, name in roots))
