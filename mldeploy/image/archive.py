"""An image as bytes: configuration, manifest, and the archive that a Docker Engine loads.

The archive holds the image twice by name and once by bytes: as an OCI layout, which Engines with the
containerd store read, and with Docker's own manifest.json, which all others do.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any, BinaryIO

from mldeploy.image.progress import Watched

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from _typeshed import SupportsRead

    from mldeploy.image.progress import Moved
    from mldeploy.image.tree import Layer

EPOCH = "1970-01-01T00:00:00Z"
"""The time every image carries: a real one would give equal inputs unequal digests."""


MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Composition:
    """An image that exists as bytes alone: its JSON documents and its layers, lowest first."""

    config: bytes
    manifest: bytes
    layers: tuple[Layer, ...]

    @property
    def digest(self) -> str:
        """By which registries know it, and hosts pull it."""
        return digest_of(self.manifest)

    @property
    def size(self) -> int:
        """What a registry stores of it, in bytes."""
        return len(self.config) + len(self.manifest) + sum(layer.size for layer in self.layers)

    def layers_present(self, others: Iterable[Sequence[str]]) -> int:
        """How many of the layers, from the lowest, an Engine has that has images of these diff ids."""
        own = [layer.diff_id for layer in self.layers]
        return max((_common(own, other) for other in others), default=0)

    @property
    def ids(self) -> frozenset[str]:
        """What an Engine may call this image: by its configuration, or, in the containerd store, by its manifest."""
        return frozenset({digest_of(self.config), self.digest})


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def compose(layers: tuple[Layer, ...], platform: str, settings: dict[str, Any]) -> Composition:
    """An image of `layers`; `settings` is the `config` part: user, entrypoint, environment, labels."""
    system, architecture = platform.split("/")
    config = _json(
        {
            "architecture": architecture,
            "os": system,
            "created": EPOCH,
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created": EPOCH, "created_by": f"mldeploy {layer.name}"} for layer in layers],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(CONFIG_TYPE, digest_of(config), len(config)),
            "layers": [_descriptor(LAYER_TYPE, layer.digest, layer.size) for layer in layers],
        }
    )
    return Composition(config, manifest, layers)


def write_archive(
    image: Composition, file: BinaryIO | io.RawIOBase, *, present: int = 0, moved: Moved = lambda *_: None
) -> None:
    """Write what `docker load` reads, but for the lowest `present` layers: the Engine that reads it has those."""
    manifest = _descriptor(MANIFEST_TYPE, image.digest, len(image.manifest))
    docker = [{
        "Config": _blob(digest_of(image.config)),
        "RepoTags": None,
        "Layers": [_blob(layer.digest) for layer in image.layers],
    }]  # fmt: skip
    documents = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "manifests": [manifest]}),
        "manifest.json": _json(docker),
        _blob(image.digest): image.manifest,
        _blob(digest_of(image.config)): image.config,
    }
    with tarfile.open(fileobj=file, mode="w|") as archive:
        for name, content in documents.items():
            _add(archive, name, io.BytesIO(content), len(content))
        for layer in image.layers[present:]:
            with layer.path.open("rb") as tar:
                _add(archive, _blob(layer.digest), Watched(tar, partial(moved, layer)), layer.size)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many items the two begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _add(archive: tarfile.TarFile, name: str, content: SupportsRead[bytes], size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    archive.addfile(entry, content)


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
