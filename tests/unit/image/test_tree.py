from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from mldeploy.image.tree import (
    FOLDER,
    Node,
    Tree,
    file_node,
    trail,
    tree_of_folder,
    tree_of_tar,
    with_parents,
    write_layer,
)

if TYPE_CHECKING:
    from pathlib import Path


def link(target: str) -> Node:
    return Node("link", 0o777, target=target)


MERGED: Tree = {
    "lib": link("usr/lib"),
    "bin": link("/usr/bin"),
    "usr/bin/python3": link("python3.13"),
    "usr/bin/python3.13": file_node(b"", executable=True),
    "usr/lib/libz.so.1": link("libz.so.1.3"),
    "usr/lib/libz.so.1.3": file_node(b""),
    "usr/lib/up": link("../bin/python3"),
    "loop": link("loop"),
    "dangling": link("nowhere"),
}


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("/usr/bin/python3.13", ["usr/bin/python3.13"]),
        ("/bin/python3", ["bin", "usr/bin/python3", "usr/bin/python3.13"]),
        ("lib/libz.so.1", ["lib", "usr/lib/libz.so.1", "usr/lib/libz.so.1.3"]),
        ("/lib/up", ["lib", "usr/lib/up", "usr/bin/python3", "usr/bin/python3.13"]),
        ("/usr/bin/../lib/libz.so.1.3", ["usr/lib/libz.so.1.3"]),
        ("/loop", []),
        ("/dangling", []),
        ("/usr/bin/none", []),
    ],
)
def test_a_path_leads_through_links_in_any_of_its_parts(path: str, steps: list[str]) -> None:
    assert trail(with_parents(MERGED), path) == steps


def test_equal_files_make_equal_layers_whatever_their_times_owners_and_order(tmp_path: Path) -> None:
    digests = set()
    for number, names in enumerate((["a/one.py", "b.py"], ["b.py", "a/one.py"])):
        folder = tmp_path / f"copy-{number}"
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
            path.chmod(0o600 + 0o40 * number)
            os.utime(path, (1e9 * number, 1e9 * number))
        layer = write_layer(tree_of_folder(folder, "opt"), tmp_path / f"{number}.tar")
        digests.add(layer.digest)
    assert len(digests) == 1


def test_a_layer_is_owned_by_root_at_time_zero_and_has_the_folders_its_files_lie_in(tmp_path: Path) -> None:
    layer = write_layer({"opt/x/run": file_node(b"#!", executable=True)}, tmp_path / "layer.tar")
    with tarfile.open(layer.path) as archive:
        members = {member.name: member for member in archive}
    assert list(members) == ["opt", "opt/x", "opt/x/run"]
    assert {(m.uid, m.gid, m.uname, m.mtime) for m in members.values()} == {(0, 0, "", 0)}
    assert [oct(m.mode) for m in members.values()] == ["0o755", "0o755", "0o755"]


def test_what_is_written_as_a_layer_reads_back_as_the_same_tree(tmp_path: Path) -> None:
    tree = {"usr": FOLDER, "usr/a": file_node(b"bytes"), "usr/b": link("a")}
    layer = write_layer(tree, tmp_path / "layer.tar")
    with tarfile.open(layer.path) as archive:
        assert tree_of_tar(archive) == tree


def test_a_hard_link_reads_as_the_file_and_a_device_is_left_out() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        one = tarfile.TarInfo("./one")
        one.size = 3
        archive.addfile(one, io.BytesIO(b"abc"))
        two = tarfile.TarInfo("./two")
        two.type, two.linkname = tarfile.LNKTYPE, "./one"
        archive.addfile(two)
        device = tarfile.TarInfo("./dev/null")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as archive:
        tree = tree_of_tar(archive)
    assert {name: node.read() for name, node in tree.items()} == {"one": b"abc", "two": b"abc"}
