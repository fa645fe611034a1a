"""Which names a model file may use, and which of these loading it may call.

A name is judged as it stands in the file; the child judges again by what it turns out to be.
"""

from __future__ import annotations

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
"""Single names that may be imported and, but for `NAMED`, called: Python's own, and those that rebuild pandas' text."""

NAMED = frozenset({"abc.ABCMeta", "builtins.type"})
"""Of these a model holds the name alone: a class that they made would have whatever methods the file likes."""

JOBLIB = frozenset(
    {
        "joblib._store_backends.FileSystemStoreBackend",
        "joblib.memory.Memory",
        "joblib.numpy_pickle.NumpyArrayWrapper",
    }
)
"""What joblib itself adds to a file: more of it starts processes and opens other files."""

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

FUNCTIONS_OF = (
    *(f"numpy.{name}." for name in ("_core", "core", "fft", "linalg", "ma", "random", "rec")),
    *(f"scipy.{name}." for name in ("interpolate", "linalg", "optimize", "sparse", "spatial", "special", "stats")),
    "scipy._lib.array_api_compat.",
    *("catboost.", "category_encoders.", "imblearn.", "lightgbm.", "sklearn.", "xgboost."),
)
"""Where the functions are that a model may hold, as a transformer or a metric; numpy's own are beside them."""

REFUSED = frozenset(
    {
        *("_testing", "conftest", "test", "testing", "tests", "distutils", "externals", "f2py", "weave"),
        *("computation", "dask", "datasets", "io", "lib", "spark"),
        *("DataSource", "ExcelFile", "ExcelWriter", "HDFStore", "eval"),
        *("fromfile", "fromregex", "genfromtxt", "load", "load_npz", "loads", "loadtxt"),
        *("save", "save_npz", "savetxt", "savez", "savez_compressed"),
    }
)
"""Parts of trusted packages, by the name of a module, class or function, that run text as code or use files."""


def is_known(name: str) -> bool:
    """Whether a file may import `name`."""
    if name in STANDARD or name in JOBLIB:
        return True
    package, *parts = name.split(".")
    if package not in PACKAGES - {"joblib"} or any(part in REFUSED or _is_special(part) for part in parts):
        return False
    if _is_class(parts[-1]) or _is_builder(parts[-1]) or name.startswith(FUNCTIONS_OF):
        return True
    return package == "numpy" and len(parts) == 1


def may_be_called(name: str) -> bool:
    """Whether loading a file may call `name`, which it may import."""
    if name in STANDARD:
        return name not in NAMED
    package, *parts = name.split(".")
    if package in PACKAGES and _is_builder(parts[-1]):
        return True
    return _is_class(parts[-1]) and (name.startswith(CLASSES_OF) or (package == "pandas" and len(parts) == 1))


def _is_builder(name: str) -> bool:
    return name in BUILDERS or name.startswith("__pyx_unpickle_")


def _is_class(name: str) -> bool:
    return name.lstrip("_")[:1].isupper()


def _is_special(name: str) -> bool:
    """Whether it is a name such as __globals__, which leads from a class to all that Python has."""
    return name.startswith("__") and name.endswith("__")
