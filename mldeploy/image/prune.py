"""What the image keeps of its base and of the packages: a rule with a reason for everything.

Of the system, only what the interpreter and the server use is kept; so there is no shell, no package
manager and no compiler to be found in the image. Of Python and the packages, all is kept but what a
rule drops. Nothing is run to find out: what libraries need is read from their bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mldeploy.image.elf import is_elf, read_elf, strip
from mldeploy.image.tree import Node, Tree, trail

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Rule:
    """Paths, as a regular expression that matches them as a whole, and why they are kept or dropped."""

    paths: str
    reason: str


KEPT_OF_SYSTEM = (
    Rule(r"usr/(local/)?bin/python3(\.\d+)?", "the interpreter"),
    Rule(r"usr/(local/)?lib/python3\.\d+/.*", "the standard library"),
    Rule(r"etc/(passwd|group|nsswitch\.conf)", "users and hosts are looked up by them"),
    Rule(r"etc/ld\.so\.(cache|conf|conf\.d/.*)", "the dynamic linker finds libraries by them"),
    Rule(
        r"etc/ssl/(openssl\.cnf|certs/ca-certificates\.crt)|usr/lib/ssl/(cert\.pem|certs|openssl\.cnf)",
        "TLS to others needs roots of trust",
    ),
    Rule(r"usr/lib/locale/C\.utf8/.*", "text models use this locale"),
    Rule(r"etc/(localtime|os-release)|usr/lib/os-release|usr/share/zoneinfo/(Etc/)?UTC", "logs name time and system"),
    Rule(r"usr/share/doc/[^/]+/copyright", "the licenses of what is kept"),
)

DROPPED_OF_PYTHON = (
    Rule(r".*/__pycache__/.*", "bytecode is made anew, the same on every machine"),
    Rule(r".*/lib/python3\.\d+/(site|dist)-packages/.*", "pip and its like: nothing is installed in the image"),
    Rule(r".*/lib/python3\.\d+/(ensurepip|venv)/.*", "nothing is installed in the image"),
    Rule(r".*/lib/python3\.\d+/config-.*", "headers and archives for compiling"),
    Rule(r".*/lib-dynload/(_test|_xxtest|xx|_ctypes_test).*", "the interpreter's own tests"),
    Rule(r".*/lib/python3\.\d+/sitecustomize\.py", "a distribution's hook for its crash reports"),
    Rule(r".*/lib/python3\.\d+/(test|lib2to3|.*/(test|tests|idle_test))/.*", "tests"),
)

DROPPED_BESIDE_THE_SERVER = (
    Rule(r".*/lib/python3\.\d+/(idlelib|tkinter|turtledemo|pydoc_data|_pyrepl|curses)/.*", "for people at a terminal"),
    Rule(r".*/lib/python3\.\d+/(turtle|pydoc|pdb|doctest)\.py", "for people at a terminal"),
    Rule(r".*/lib-dynload/(_tkinter|_curses|_curses_panel|readline)\..*", "for people at a terminal"),
    Rule(
        r".*/lib/python3\.\d+/(sqlite3|dbm)/.*|.*/lib-dynload/(_sqlite3|_dbm|_gdbm)\..*", "the server has no database"
    ),
)
"""Of Python's own library: any other code may import it."""

DROPPED_OF_PACKAGES = (
    Rule(r"[^/]+/bin/.*|bin/.*", "commands for people, naming the building machine's interpreter"),
    Rule(r".*/__pycache__/.*", "bytecode is made anew, the same on every machine"),
    Rule(r".*\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json)", "what installers note for themselves"),
    Rule(r"\.lock", "what installers note for themselves"),
    Rule(r".*/(tests|testing/tests)/.*", "tests"),
    Rule(r".*\.(pyi|pyx|pxd|pxi|c|h|cpp|hpp|a|lib|f|f90|build|in)", "sources and types: nothing is compiled here"),
    Rule(r"numpy/_core/_(simd|\w+_tests)\..*", "modules that only numpy's tests import"),
    Rule(r"numpy/(f2py|_pyinstaller|doc)/.*", "tools for building packages"),
    Rule(r"numpy/(_core/)?(include|lib)/(numpy|npy-pkg-config|pkgconfig)/.*", "headers: nothing is compiled here"),
    Rule(r"onnxruntime/capi/libonnxruntime\.so.*", "for programs in C; the Python module holds its own copy"),
    Rule(r"onnxruntime/(transformers|quantization|tools|datasets|backend)/.*", "tools for making models"),
    Rule(r"google/.*|protobuf-.*", "read by onnxruntime's tools for making models alone"),
)


def keep_of_system(system: Tree, packages: Tree, *, any_code: bool = False) -> Tree:
    """What Python, and the libraries in it and in `packages`, use of `system`.

    Both trees lie in one file system. Links on the way to what is kept are kept as well. `any_code` is whether other
    code than the server's runs there.
    """
    everything = system | packages
    dropped = DROPPED_OF_PYTHON if any_code else (*DROPPED_OF_PYTHON, *DROPPED_BESIDE_THE_SERVER)
    wanted = [name for name in system if matches(KEPT_OF_SYSTEM, name) and not matches(dropped, name)]
    kept = {step for name in wanted for step in trail(everything, name)}
    kept |= needed_libraries(everything, kept | packages.keys())
    return {name: stripped(system[name]) for name in kept - packages.keys()}


def keep_of_packages(packages: Tree, prefix: str) -> Tree:
    """The packages, which lie at `prefix`, without what the rules drop."""
    return {
        name: stripped(node)
        for name, node in packages.items()
        if not matches(DROPPED_OF_PACKAGES, name.removeprefix(f"{prefix}/"))
    }


def matches(rules: Iterable[Rule], path: str) -> bool:
    return any(re.fullmatch(rule.paths, path) for rule in rules)


def stripped(node: Node) -> Node:
    """The node, without debug information where it is a program or library."""
    if node.kind != "file" or not is_elf(node.start()):
        return node
    return replace(node, content=strip(node.read()))


def needed_libraries(tree: Tree, programs: Iterable[str]) -> set[str]:
    """What the dynamic linker would load for the programs and libraries among `programs`, links included.

    A name that is nowhere is no error: optional modules need libraries that a base may lack.
    """
    folders = _library_folders(tree)
    found: set[str] = set()
    waiting = list(programs)
    while waiting:
        name = waiting.pop()
        node = tree[name]
        if node.kind != "file" or not is_elf(node.start()):
            continue
        elf = read_elf(node.read())
        own = [path.replace("$ORIGIN", f"/{PurePosixPath(name).parent}") for path in elf.runpath]
        paths = [_first(tree, library, [*own, *folders]) for library in elf.needed]
        for path in (*paths, elf.interpreter):
            steps = trail(tree, path) if path else []
            waiting += set(steps) - found
            found |= set(steps)
    return found


def _library_folders(tree: Tree) -> list[str]:
    """Where the dynamic linker looks, as the files say that its cache was made from."""
    lines = [
        line.strip()
        for name in sorted(tree)
        if re.fullmatch(r"etc/ld\.so\.conf\.d/.*\.conf", name)
        for line in tree[name].read().decode().splitlines()
    ]
    return [*(line for line in lines if line.startswith("/")), "/lib", "/usr/lib", "/lib64", "/usr/lib64"]


def _first(tree: Tree, library: str, folders: Iterable[str]) -> str | None:
    return next((path for folder in folders if trail(tree, path := f"{folder}/{library}")), None)
