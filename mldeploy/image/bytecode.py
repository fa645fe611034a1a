"""Python sources as bytecode: a container with a read-only root would compile them at every start.

Bytecode is the same on every architecture but differs between Python versions, so it is made by the base
image's own Python, in its variant for *this* machine. The target's variant is never run.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError
from mldeploy.image.engine import explained
from mldeploy.image.tree import Node, Tree, file_node, tree_of_tar, write_tar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import DockerClient

    from mldeploy.image.base import Base

WORK = "bytecode"

SCRIPT = f"""
import pathlib, py_compile, sys
for path in sorted(pathlib.Path("/{WORK}").rglob("*.py")):
    name = path.relative_to("/{WORK}").as_posix()
    try:
        py_compile.compile(
            str(path), cfile=f"{{path}}c", dfile=f"/{{name}}", doraise=True, quiet=2,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    except py_compile.PyCompileError:
        print("left as it is:", name)
    else:
        path.unlink()
"""


def compiled(engine: DockerClient, native: Base, trees: Mapping[str, Tree]) -> dict[str, Tree]:
    """`trees` with every module's bytecode in the place of its source; what does not compile stays as it is.

    `native` is the base image for the platform of this machine's Engine.
    """
    sources = {name: node for tree in trees.values() for name, node in tree.items() if _is_source(name, node)}
    made = _compile(engine, native, sources)
    return {label: _with_bytecode(tree, made) for label, tree in trees.items()}


def _is_source(name: str, node: Node) -> bool:
    return node.kind == "file" and name.endswith(".py")


def _with_bytecode(tree: Tree, made: Tree) -> Tree:
    result: Tree = {}
    for name, node in tree.items():
        if node.kind == "link" and name.endswith(".py"):
            result[f"{name}c"] = replace(node, target=f"{node.target}c")
        elif f"{name}c" in made:
            result[f"{name}c"] = file_node(made[f"{name}c"].content)
        else:
            result[name] = node
    return result


def _compile(engine: DockerClient, native: Base, sources: Tree) -> Tree:
    with explained(f"compile Python in {native.name}"):
        container = engine.containers.create(
            native.id,
            entrypoint=["python3", "-I", "-c", SCRIPT],
            command=[],
            environment={"PYTHONHASHSEED": "0"},
            network_mode="none",
        )
        try:
            container.put_archive("/", _as_tar(sources))
            container.start()
            if container.wait()["StatusCode"]:
                raise MldeployError(
                    f"the Python of {native.name} does not run", cause=container.logs(tail=5).decode(errors="replace")
                )
            stream, _ = container.get_archive(f"/{WORK}")
            with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
                tree = tree_of_tar(archive)
        finally:
            container.remove(force=True)
    return {name.removeprefix(f"{WORK}/"): node for name, node in tree.items() if node.kind == "file"}


def _as_tar(sources: Tree) -> bytes:
    buffer = io.BytesIO()
    write_tar({f"{WORK}/{name}": node for name, node in sources.items()}, buffer)
    return buffer.getvalue()
