"""The generic part of every image: a system with Python, the server's packages, the server.

It is built once for its inputs and kept in the cache folder under their hash, so that every later image
adds one layer to the same bytes. Nothing of the target's architecture runs while it is built.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.cache import kept
from mldeploy.errors import MldeployError
from mldeploy.image.base import Base, find_base, python_version, read_base
from mldeploy.image.bytecode import compiled
from mldeploy.image.engine import native_platform
from mldeploy.image.prune import keep_of_packages, keep_of_system
from mldeploy.image.sbom import Component, list_components
from mldeploy.image.tree import FOLDER, Layer, Node, Tree, file_node, tree_of_folder, write_layer
from mldeploy.image.wheels import install_wheels

if TYPE_CHECKING:
    from docker import DockerClient

    from mldeploy.image.source import RuntimeSource

PREFIX = "opt/mldeploy"
"""Where the packages and the server are in the image: the one entry of its PYTHONPATH."""

USER = 10001

KEPT_RUNTIMES = 4
RECORD = "runtime.json"

MAKERS = ("base", "bytecode", "elf", "prune", "runtime", "sbom", "tree", "wheels")
"""The modules of this package that decide what the layers hold."""


@dataclass(frozen=True)
class Runtime:
    """The generic layers for one platform, lowest first; `key` is the hash of what they were made from.

    `components` are the packages whose files are in them.
    """

    key: str
    platform: str
    layers: tuple[Layer, ...]
    components: tuple[Component, ...]


def build_runtime(engine: DockerClient, base: Base, source: RuntimeSource, *, debug: bool = False) -> Runtime:
    """The runtime's layers for the base's platform, from the cache when their inputs are the same.

    With `debug` nothing is pruned or compiled: the base's shell and all sources stay.
    """
    key = _key(base, source, debug=debug)
    folder = kept("runtime", key, lambda into: _write(engine, base, source, into, debug=debug), keep=KEPT_RUNTIMES)
    return _read(folder, key, base.platform)


def _write(engine: DockerClient, base: Base, source: RuntimeSource, into: Path, *, debug: bool) -> None:
    whole = read_base(engine, base)
    folder = into / "packages"
    install_wheels(source.lock, base.platform, _required_python(whole, base, source), folder)
    trees = {"system": whole, "packages": tree_of_folder(folder, PREFIX), "server": server_tree(source)}
    if not debug:
        trees["packages"] = keep_of_packages(trees["packages"], PREFIX)
        trees["system"] = keep_of_system(whole, trees["packages"], any_code=source.python is not None)
        trees = compiled(engine, find_base(engine, base.name, native_platform(engine)), trees)
    components = list_components(whole, trees["system"], trees["packages"])
    trees["system"] = with_user(trees["system"])
    layers = [write_layer(tree, into / f"{name}.tar.gz") for name, tree in trees.items()]
    shutil.rmtree(folder)
    described = {
        "layers": [asdict(layer) | {"path": layer.path.name} for layer in layers],
        "components": [asdict(component) for component in components],
    }
    (into / RECORD).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def _required_python(whole: Tree, base: Base, source: RuntimeSource) -> str:
    found = python_version(whole)
    if source.python not in (None, found):
        raise MldeployError(
            f"the base image {base.name} holds Python {found}, and the model was packaged for {source.python}",
            remedy=f"Set image.base in mldeploy.toml to an image with Python {source.python}, "
            f"such as python:{source.python}-slim.",
        )
    return found


def _read(folder: Path, key: str, platform: str) -> Runtime:
    raw = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    layers = tuple(Layer(**layer | {"path": folder / layer["path"]}) for layer in raw["layers"])
    return Runtime(key, platform, layers, tuple(Component(**component) for component in raw["components"]))


def with_user(system: Tree) -> Tree:
    """The system with the user that the server runs as, and the folder its control socket is in."""
    added = {"etc/passwd": f"mldeploy:x:{USER}:{USER}::/:/nologin\n", "etc/group": f"mldeploy:x:{USER}:\n"}
    tree = dict(system)
    for name, line in added.items():
        known = tree[name].read() if name in tree else b""
        tree[name] = file_node(known + line.encode())
    return tree | {"run": FOLDER, "tmp": Node("folder", 0o1777), "run/mldeploy": Node("folder", 0o755)}


def server_tree(source: RuntimeSource) -> Tree:
    """The server's own package, as it lies in the image."""
    return {f"{PREFIX}/{path.relative_to(source.folder).as_posix()}": file_node(path) for path in source.files()}


def _key(base: Base, source: RuntimeSource, *, debug: bool) -> str:
    """The hash of all that the layers depend on: the code that makes them is among it, for it holds the rules."""
    digest = hashlib.sha256(f"{base.id} {base.platform} {debug}\n".encode())
    rules = [Path(__file__).with_name(f"{name}.py") for name in MAKERS]
    inputs = ((Path(__file__).parent, rules), (source.lock.parent, [source.lock]), (source.folder, source.files()))
    for folder, paths in inputs:
        for path in paths:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()
