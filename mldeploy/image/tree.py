"""A file tree in memory, and its form as an image layer: equal trees give equal bytes on every machine."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Buffer

MAX_LINKS = 40

GZIP_LEVEL = 6
"""Level 9 takes three times as long and saves less than one part in a hundred."""


@dataclass(frozen=True)
class Node:
    """One entry. `content` is a file's bytes, or where they are on this machine; `target` is a link's."""

    kind: Literal["file", "folder", "link"]
    mode: int
    content: bytes | Path = b""
    target: str = ""

    def read(self) -> bytes:
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content

    def start(self) -> bytes:
        """The first few bytes, by which a file's format is known."""
        with self.open() as content:
            return content.read(16)

    def open(self) -> BinaryIO:
        return self.content.open("rb") if isinstance(self.content, Path) else io.BytesIO(self.content)

    @property
    def size(self) -> int:
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)


Tree = dict[str, Node]
"""Nodes by their path without a leading slash, such as `usr/bin/python3`."""

FOLDER = Node("folder", 0o755)


def file_node(content: bytes | Path, *, executable: bool = False) -> Node:
    return Node("file", 0o755 if executable else 0o644, content)


def tree_of_folder(folder: Path, at: str) -> Tree:
    """What lies below `folder`, placed at `at`. Modes become 644, or 755 where the owner may execute."""
    tree: Tree = {}
    for path in sorted(folder.rglob("*")):
        name = f"{at}/{path.relative_to(folder).as_posix()}"
        if path.is_symlink():
            tree[name] = Node("link", 0o777, target=str(path.readlink()))
        elif path.is_dir():
            tree[name] = FOLDER
        else:
            tree[name] = file_node(path, executable=bool(path.stat().st_mode & 0o100))
    return tree


def tree_of_tar(archive: tarfile.TarFile) -> Tree:
    """The folders, files and links of a root file system; devices and sockets are the container's own."""
    tree: Tree = {}
    for member in archive:
        name = member.name.removeprefix("./").strip("/")
        if member.isdir() and name not in ("", "."):
            tree[name] = Node("folder", member.mode)
        elif member.issym():
            tree[name] = Node("link", 0o777, target=member.linkname)
        elif member.islnk():
            tree[name] = tree[member.linkname.removeprefix("./").strip("/")]
        elif member.isfile() and (content := archive.extractfile(member)):
            tree[name] = Node("file", member.mode, content.read())
    return tree


def write_folder(tree: Mapping[str, Node], folder: Path) -> None:
    """Write `tree` below `folder`, where nothing of it may be yet."""
    for name, node in sorted(with_parents(tree).items()):
        path = folder / name
        if node.kind == "folder":
            path.mkdir(parents=True, exist_ok=True)
        elif node.kind == "link":
            path.symlink_to(node.target)
        else:
            with node.open() as content, path.open("wb") as file:
                shutil.copyfileobj(content, file)
            path.chmod(node.mode)


def with_parents(tree: Mapping[str, Node]) -> Tree:
    """The tree with every folder that its entries lie in."""
    parents = {str(parent): FOLDER for name in tree for parent in PurePosixPath(name).parents if parent.name}
    return parents | dict(tree)


def trail(tree: Mapping[str, Node], path: str) -> list[str]:
    """The links that `path` leads through, in any of its parts, and the entry at its end; empty if it leads nowhere."""
    parts = list(reversed(PurePosixPath(path.lstrip("/")).parts))
    here = PurePosixPath()
    links: list[str] = []
    while parts and len(links) <= MAX_LINKS:
        part = parts.pop()
        if part == "..":
            here = here.parent
            continue
        node = tree.get(str(here / part))
        if node is None:
            return []
        if node.kind != "link":
            here /= part
            continue
        links.append(str(here / part))
        if node.target.startswith("/"):
            here = PurePosixPath()
        parts += reversed(PurePosixPath(node.target.lstrip("/")).parts)
    return [] if parts else [*links, str(here)]


@dataclass(frozen=True)
class Layer:
    """One layer as a gzip-compressed tar file, of `size` bytes and with this `digest`.

    `diff_id` and `unpacked` are the digest and the size in bytes of the tar in it: equal trees have equal
    ones, whatever the compressor.
    """

    path: Path
    digest: str
    size: int
    diff_id: str
    unpacked: int

    @property
    def name(self) -> str:
        """What it holds, in a word: it is in the file's name."""
        return self.path.name.partition(".")[0]


def write_layer(tree: Mapping[str, Node], path: Path) -> Layer:
    """Write `tree` as a layer to `path`."""
    with path.open("wb") as file:
        outer = Sink(file.write)
        with gzip.GzipFile(filename="", mode="wb", fileobj=outer, compresslevel=GZIP_LEVEL, mtime=0) as packed:
            inner = Sink(packed.write)
            write_tar(tree, inner)
    return Layer(path, outer.digest, outer.size, inner.digest, inner.size)


class Sink(io.RawIOBase):
    """Hands on what is written to it, and knows its size in bytes and its digest."""

    def __init__(self, hand_on: Callable[[bytes], object]) -> None:
        self._hand_on = hand_on
        self._sha256 = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha256.hexdigest()}"

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        content = bytes(data)
        self._hand_on(content)
        self._sha256.update(content)
        self.size += len(content)
        return len(content)


def write_tar(tree: Mapping[str, Node], file: BinaryIO | io.RawIOBase) -> None:
    """Write `tree` as a tar archive: entries sorted, owned by root, at time zero."""
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name, node in sorted(with_parents(tree).items()):
            _add(archive, name, node)


def _add(archive: tarfile.TarFile, name: str, node: Node) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode = node.mode
    if node.kind == "file":
        entry.size = node.size
        with node.open() as content:
            archive.addfile(entry, content)
        return
    entry.type = tarfile.DIRTYPE if node.kind == "folder" else tarfile.SYMTYPE
    entry.linkname = node.target
    archive.addfile(entry)
