"""An image into a registry, and the digest by which hosts are to pull it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mldeploy.image.archive import MANIFEST_TYPE, digest_of
from mldeploy.image.engine import connect, explained
from mldeploy.image.progress import layer_bars
from mldeploy.image.registry import insecure_as, open_repository
from mldeploy.image.tree import file_node

if TYPE_CHECKING:
    from mldeploy.image.build import Image


def push_image(image: Image, registry: str) -> str:
    """Push what `registry` (host[:port][/folder]) lacks of `image`; gives `registry/name@sha256:...`.

    Raises UnreachableError when the registry does not answer within 10 s or refuses the login.
    """
    host, _, folder = registry.partition("/")
    name = f"{folder}/{image.name}" if folder else image.name
    with explained("say which registries it trusts"):
        insecure = insecure_as(connect().info()["RegistryConfig"])
    composition = image.composition
    with open_repository(host, name, insecure=insecure) as repository, layer_bars() as moved:
        for layer in composition.layers:
            if not repository.has(layer.digest):
                repository.upload(layer.digest, file_node(layer.path), partial(moved, layer))
        config = digest_of(composition.config)
        if not repository.has(config):
            repository.upload(config, file_node(composition.config), lambda _: None)
        repository.tag(image.tag, MANIFEST_TYPE, composition.manifest)
    return f"{registry}/{image.name}@{composition.digest}"
