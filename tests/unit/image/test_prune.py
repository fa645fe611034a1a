from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mldeploy.image.elf import read_elf
from mldeploy.image.prune import (
    DROPPED_OF_PACKAGES,
    DROPPED_OF_PYTHON,
    KEPT_OF_SYSTEM,
    keep_of_packages,
    keep_of_system,
)
from mldeploy.image.tree import FOLDER, Node, Tree, file_node, with_parents

PROGRAM = Path(sys.executable).resolve().read_bytes()
LIBRARIES = "usr/lib/x86_64-linux-gnu"


def link(target: str) -> Node:
    return Node("link", 0o777, target=target)


def system(python: str) -> Tree:
    """A base image whose Python lies under `python`, such as usr/local."""
    interpreter = read_elf(PROGRAM).interpreter
    assert interpreter
    libraries: Tree = {}
    for name in read_elf(PROGRAM).needed:
        libraries |= {f"{LIBRARIES}/{name}": link(f"{name}.real"), f"{LIBRARIES}/{name}.real": file_node(b"")}
    return with_parents(
        {
            "bin": link("usr/bin"),
            "lib": link("usr/lib"),
            "lib64": link("usr/lib64"),
            f"usr/{interpreter.lstrip('/')}": file_node(b""),
            f"{python}/bin/python3": link("python3.13"),
            f"{python}/bin/python3.13": file_node(PROGRAM, executable=True),
            f"{python}/lib/python3.13/os.py": file_node(b""),
            f"{python}/lib/python3.13/test/test_os.py": file_node(b""),
            f"{python}/lib/python3.13/ensurepip/__init__.py": file_node(b""),
            f"{python}/lib/python3.13/site-packages/pip/__init__.py": file_node(b""),
            f"{python}/lib/python3.13/__pycache__/os.cpython-313.pyc": file_node(b""),
            f"{python}/bin/pip3": file_node(b"#!"),
            "usr/bin/bash": file_node(b""),
            "usr/bin/dpkg": file_node(b""),
            "usr/bin/sh": link("bash"),
            f"{LIBRARIES}/libreadline.so.8": file_node(b""),
            "etc/passwd": file_node(b"root:x:0:0::/root:/bin/sh\n"),
            "etc/shadow": file_node(b""),
            "etc/ld.so.conf.d/machine.conf": file_node(f"# comment\n/{LIBRARIES}\n".encode()),
            "etc/ssl/certs/ca-certificates.crt": file_node(b""),
            "var/lib/apt/lists/all": file_node(b""),
        }
        | libraries
    )


@pytest.mark.parametrize("python", ["usr", "usr/local"])
def test_python_and_what_it_needs_is_kept_wherever_it_lies_and_nothing_else(python: str) -> None:
    kept = {name for name, node in keep_of_system(system(python), {}).items() if node.kind != "folder"}
    needed = {f"{LIBRARIES}/{name}" for name in read_elf(PROGRAM).needed}
    assert {f"{python}/bin/python3", f"{python}/bin/python3.13", f"{python}/lib/python3.13/os.py"} <= kept
    assert needed | {f"{name}.real" for name in needed} <= kept
    assert {"lib64" if "lib64" in str(read_elf(PROGRAM).interpreter) else "lib"} <= kept
    assert {"etc/passwd", "etc/ssl/certs/ca-certificates.crt"} <= kept
    gone = ("bash", "/sh", "dpkg", "pip", "shadow", "readline", "apt", "/test/", "__pycache__")
    assert not [name for name in kept if any(part in name for part in gone)]


def test_a_library_that_only_a_package_needs_is_kept() -> None:
    packages: Tree = {"opt/x/module.so": file_node(PROGRAM)}
    without_python = {name: node for name, node in system("usr").items() if "python" not in name}
    kept = keep_of_system(without_python, packages)
    assert f"{LIBRARIES}/libc.so.6.real" in kept
    assert not packages.keys() & kept.keys()


def test_a_library_that_the_base_lacks_is_no_failure() -> None:
    bare: Tree = {"usr/bin/python3.13": file_node(PROGRAM)}
    assert set(keep_of_system(with_parents(bare), {})) == {"usr/bin/python3.13"}


def test_packages_lose_their_tests_sources_and_installers_notes_but_not_their_licenses() -> None:
    names = (
        "numpy/__init__.py",
        "numpy/tests/test_all.py",
        "numpy/__init__.pyi",
        "numpy-2.5.5.dist-info/RECORD",
        "numpy-2.5.5.dist-info/METADATA",
        "numpy-2.5.5.dist-info/licenses/LICENSE.txt",
        "onnxruntime/capi/libonnxruntime.so.1.31.1",
        "onnxruntime/capi/onnxruntime_pybind11_state.so",
        "bin/uvicorn",
    )
    kept = keep_of_packages({f"opt/x/{name}": file_node(b"") for name in names} | {"opt/x": FOLDER}, "opt/x")
    assert kept.keys() == {
        "opt/x",
        "opt/x/numpy/__init__.py",
        "opt/x/numpy-2.5.5.dist-info/METADATA",
        "opt/x/numpy-2.5.5.dist-info/licenses/LICENSE.txt",
        "opt/x/onnxruntime/capi/onnxruntime_pybind11_state.so",
    }


def test_every_rule_has_a_reason() -> None:
    assert all(rule.reason for rule in (*KEPT_OF_SYSTEM, *DROPPED_OF_PYTHON, *DROPPED_OF_PACKAGES))
