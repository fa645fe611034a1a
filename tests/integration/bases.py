"""A base image for several platforms in the rig's registry."""

from __future__ import annotations

import ssl
import tarfile
from typing import TYPE_CHECKING, Any

import httpx

from mldeploy.image import Image, push_image
from mldeploy.image.archive import MANIFEST_TYPE, compose
from mldeploy.image.tree import tree_of_tar, write_layer
from tests.rig import images
from tests.rig.engine import docker

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rig import Rig

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
DOCKER_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


def publish_base(rig: Rig, root: Path, folder: Path) -> str:
    """Give one name to a base image with variants for both platforms, as the official ones have."""
    repository = f"{rig.registry}/both/python"
    docker("tag", images.python(), f"{repository}:amd64")
    docker("push", "--quiet", f"{repository}:amd64")
    docker("rmi", f"{repository}:amd64")
    with tarfile.open(root) as archive:
        layer = write_layer(tree_of_tar(archive), folder / "root.tar.gz")
    arm64 = compose((layer,), "linux/arm64", {})
    push_image(
        Image("python", "arm64", "", "linux/arm64", "", arm64, built=True, golden_rows=None), f"{rig.registry}/both"
    )
    url = f"https://{rig.registry}/v2/both/python/manifests"
    trusted = ssl.create_default_context(cafile=str(rig.registry_ca))
    with httpx.Client(verify=trusted, trust_env=False, headers={"Accept": f"{DOCKER_TYPE}, {MANIFEST_TYPE}"}) as client:
        variants = [variant(client.get(f"{url}/{name}"), name) for name in ("amd64", "arm64")]
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": variants}
        client.put(f"{url}/3.13-slim", json=index, headers={"Content-Type": INDEX_TYPE}).raise_for_status()
    return f"{repository}:3.13-slim"


def variant(manifest: httpx.Response, architecture: str) -> dict[str, Any]:
    """The entry of an index for one architecture."""
    return {
        "mediaType": manifest.raise_for_status().headers["Content-Type"],
        "digest": manifest.headers["Docker-Content-Digest"],
        "size": len(manifest.content),
        "platform": {"os": "linux", "architecture": architecture},
    }
