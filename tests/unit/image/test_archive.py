from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

from mldeploy.image.archive import compose, digest_of, write_archive
from mldeploy.image.tree import file_node, write_layer

if TYPE_CHECKING:
    from pathlib import Path

    from mldeploy.image.archive import Composition


def composed(folder: Path, text: bytes = b"model") -> Composition:
    folder.mkdir(exist_ok=True)
    lower = write_layer({"opt/lib.py": file_node(b"lib")}, folder / "packages.tar.gz")
    upper = write_layer({"bundle/model.onnx": file_node(text)}, folder / "bundle.tar.gz")
    return compose((lower, upper), "linux/arm64", {"User": "10001:10001", "Labels": {"a": "b"}})


def test_equal_layers_and_settings_make_the_same_image_everywhere(tmp_path: Path) -> None:
    assert composed(tmp_path / "here").ids == composed(tmp_path / "there").ids
    assert composed(tmp_path / "here").ids != composed(tmp_path / "other", b"changed").ids


def test_an_archive_holds_every_blob_under_its_digest_and_both_ways_to_read_it(tmp_path: Path) -> None:
    image = composed(tmp_path)
    buffer = io.BytesIO()
    write_archive(image, buffer)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as archive:
        content = {member.name: archive.extractfile(member) for member in archive}
        read = {name: file.read() for name, file in content.items() if file}
    for name, blob in read.items():
        if name.startswith("blobs/sha256/"):
            assert name.removeprefix("blobs/sha256/") == hashlib.sha256(blob).hexdigest()
    by_docker = json.loads(read["manifest.json"])[0]
    by_oci = json.loads(read[_blob(json.loads(read["index.json"])["manifests"][0]["digest"])])
    assert by_docker["Config"] == _blob(by_oci["config"]["digest"])
    assert by_docker["Layers"] == [_blob(layer["digest"]) for layer in by_oci["layers"]]
    config = json.loads(read[by_docker["Config"]])
    unpacked = [gzip.decompress(read[name]) for name in by_docker["Layers"]]
    assert config["rootfs"]["diff_ids"] == [digest_of(tar) for tar in unpacked]
    assert (config["os"], config["architecture"]) == ("linux", "arm64")
    assert digest_of(read[by_docker["Config"]]) in image.ids


def test_an_archive_for_an_engine_that_has_the_lower_layers_holds_the_others_alone(tmp_path: Path) -> None:
    image = composed(tmp_path)
    buffer = io.BytesIO()
    write_archive(image, buffer, present=1)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as archive:
        names = archive.getnames()
    lower, upper = image.layers
    assert _blob(upper.digest) in names
    assert _blob(lower.digest) not in names


def test_the_layers_that_an_engine_has_are_counted_from_the_lowest(tmp_path: Path) -> None:
    image = composed(tmp_path)
    lower, upper = (layer.diff_id for layer in image.layers)
    assert image.layers_present([]) == 0
    assert image.layers_present([[upper, lower], ["other", upper]]) == 0
    assert image.layers_present([["other"], [lower, "other"]]) == 1
    assert image.layers_present([[lower, upper, "more"]]) == 2


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
