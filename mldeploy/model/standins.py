"""What stands for classes, functions and their instances while a model file is scanned."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mldeploy.model.names import is_known

if TYPE_CHECKING:
    from collections.abc import Callable

KEEPING = ("functools.partial", "._mareconstruct", "._reconstruct")
"""Functions, by the end of their names, that call nothing of what they are given."""

CALLABLE = frozenset({"functools.partial", "numpy.vectorize"})
"""Classes whose instances call what they were given."""

SINGLETONS = (None, NotImplemented, Ellipsis)
"""Those whose classes pickle can only name by calling type."""

TEMPLATE = re.compile(
    r"\ndef _parse_args\(self, ARGS\):\n    return \(NAMES\), NAMES\n"
    r"\ndef _parse_args_rvs\(self, ARGS, size=None\):\n    return self\._argcheck_rvs\(NAMES, size=size\)\n"
    r"\ndef _parse_args_stats\(self, ARGS, moments='mv'\):\n    return \(NAMES\), NAMES, moments\n".replace(
        "ARGS", r"[\w, ]*loc=0(?:, scale=1)?"
    ).replace("NAMES", r"[\w, ]*")
)
"""The source that scipy keeps in each distribution, and runs when it is loaded."""


class StandIn:
    """In place of an instance of any class: takes whatever pickle does to it and does nothing.

    `calls` takes the names of what was called. What a call into a trusted package is given counts as called, for it
    may call that.
    """

    name: ClassVar[str] = ""
    calls: ClassVar[set[str]]
    find: ClassVar[Callable[[str, str], type[StandIn]]]
    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        # A class that the file brings itself is what a call gave, and so a stand-in of its own.
        made: StandIn = super().__new__(cls if isinstance(cls, type) else type(cls))
        made.arguments = arguments
        made.state = None
        if arguments or named:
            made._note_call(*arguments, *named.values())
        return made

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._note_call(*arguments, *named.values())

    def __setstate__(self, state: Any) -> None:
        again, self.state = self.state is not None, state
        if again or (self.name.startswith("scipy.stats.") and not _is_plain_distribution(state)):
            # The first state may be one that makes the second a call.
            self.calls.add(f"{self.name}.__setstate__")

    def __call__(self, *_: Any, **__: Any) -> StandIn:
        self.calls.add(f"{self.name}.__call__")
        return self

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, _: Any) -> None:
        """A list does this to itself; of anything else it is a method, or what the file made one."""
        self.calls.add(f"{self.name}.append")

    def extend(self, _: Any) -> None:
        self.calls.add(f"{self.name}.extend")

    def add(self, _: Any) -> None:
        self.calls.add(f"{self.name}.add")

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def _note_call(self, *given: Any) -> None:
        if self.name == "builtins.type" and len(given) == 1 and any(given[0] is each for each in SINGLETONS):
            return
        self.calls.add(self.name)
        if not is_known(self.name) or self.name.endswith(KEEPING):
            return
        for each in given:
            if isinstance(each, type) and issubclass(each, StandIn):
                self.calls.add(each.name)
            elif isinstance(each, StandIn) and each.name in CALLABLE:
                self.calls.add(f"{each.name}.__call__")


class _New(StandIn):
    """copyreg's function that makes an instance: what it gives is one of that class."""

    def __new__(cls, made: Any, *arguments: Any) -> Any:
        return made.__new__(made, *arguments)


class _Reconstructed(StandIn):
    """copyreg's older one, which calls the class `base` with the state."""

    def __new__(cls, made: Any, base: Any, _: Any) -> Any:
        cls.calls.add(base.name)
        return made.__new__(made)


class _Imported(StandIn):
    """numpy's function that imports a ufunc by its name, and would import anything."""

    def __new__(cls, module: str, name: str) -> Any:
        return cls.find(module, name)


SPECIAL: dict[str, type[StandIn]] = {
    "__newobj__": _New,
    "_reconstructor": _Reconstructed,
    "_ufunc_reconstruct": _Imported,
}


def stand_in(name: str, calls: set[str], find: Callable[[str, str], type[StandIn]]) -> type[StandIn]:
    """The stand-in for what `name`, a full name, imports."""
    last = name.rpartition(".")[2]
    return type(last, (SPECIAL.get(last, StandIn),), {"name": name, "calls": calls, "find": staticmethod(find)})


def array_dtype(given: Any) -> np.dtype[Any]:
    """The dtype for which `given` stands, with its state as numpy itself takes it. ValueError when it is none."""
    if not isinstance(given, StandIn) or given.name != "numpy.dtype" or type(given.arguments[0]) is not str:
        raise ValueError("an array has a dtype that is none")
    dtype = np.dtype(given.arguments[0], False, True)
    if given.state is not None:
        dtype.__setstate__(_with_dtypes(given.state))  # type: ignore[attr-defined]
    if dtype.hasobject != _holds_objects(dtype):
        raise ValueError("an array has a dtype that hides objects")
    return dtype


def count_of(shape: Any) -> int:
    """How many entries an array of this shape has."""
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError("an array has a shape that is none")
    return math.prod(shape)


def _with_dtypes(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_with_dtypes(each) for each in value)
    if isinstance(value, dict):
        return {key: _with_dtypes(each) for key, each in value.items()}
    return array_dtype(value) if isinstance(value, StandIn) else value


def _holds_objects(dtype: np.dtype[Any]) -> bool:
    if dtype.subdtype is not None:
        return _holds_objects(dtype.subdtype[0])
    return dtype.kind == "O" or any(_holds_objects(field[0]) for field in (dtype.fields or {}).values())


def _is_plain_distribution(state: Any) -> bool:
    if not isinstance(state, dict) or not all(type(key) is str for key in state):
        return False
    source = state.get("_parse_arg_template", "")
    return not source or (type(source) is str and TEMPLATE.fullmatch(source) is not None)
