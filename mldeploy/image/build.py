"""From a bundle to a proven image: the generic runtime's layers, and one more with the bundle."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from docker.errors import ImageNotFound

from mldeploy import __version__
from mldeploy.cache import kept
from mldeploy.image.archive import Composition, compose, write_archive
from mldeploy.image.base import find_base
from mldeploy.image.engine import connect, explained, native_platform
from mldeploy.image.labels import BUNDLE_ID, MLDEPLOY_VERSION, REVISION, RUNTIME, TITLE, VERSION
from mldeploy.image.native import base_for, source_for
from mldeploy.image.prove import prove_golden_rows
from mldeploy.image.runtime import PREFIX, USER, Runtime, build_runtime
from mldeploy.image.sbom import cyclonedx
from mldeploy.image.source import runtime_source
from mldeploy.image.store import stored_model, upload_model
from mldeploy.image.tree import Layer, Sink, Tree, file_node, write_layer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from docker import DockerClient

    from mldeploy.bundle import Bundle
    from mldeploy.config import ImageConfig, ModelConfig
    from mldeploy.image.store import StoredModel

DEFAULT_PLATFORM = "linux/amd64"
KEPT_BUNDLES = 8
MODELS = "/data/models"
"""Where the server looks for a model that the image lacks, and keeps it."""

ENTRYPOINT = ("python3", "-m", "mldeploy_runtime")
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONPATH": f"/{PREFIX}",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}
PORT = 8080
STOP_SIGNAL = "SIGTERM"


@dataclass(frozen=True)
class Image:
    """An image in the Engine, and its bytes. `reference` is its name for people; `size` is in bytes, unpacked.

    `built` is false when the Engine had it already; `golden_rows` is how many were answered in it, and
    None when it was not run: it was there, or is for a platform that this Engine does not have.
    """

    name: str
    tag: str
    id: str
    platform: str
    bundle_id: str
    composition: Composition = field(repr=False)
    built: bool
    golden_rows: int | None

    @property
    def reference(self) -> str:
        return f"{self.name}:{self.tag}"

    @property
    def size(self) -> int:
        return sum(layer.unpacked for layer in self.composition.layers)

    def to_json(self) -> dict[str, Any]:
        shown = {name: value for name, value in vars(self).items() if name != "composition"}
        return shown | {"size": self.size, "compressed": self.composition.size, "digest": self.composition.digest}


def build_image(
    bundle: Bundle,
    settings: ImageConfig,
    platform: str | None = None,
    *,
    model: ModelConfig | None = None,
    debug: bool = False,
) -> Image:
    """Build the image of `bundle` for `platform` (else the settings', else linux/amd64), unless it is there.

    A model that the settings `model` want elsewhere is put there, and the image holds its address.
    With `debug` the image keeps the base's shell and all sources, and its tag ends in `-debug`. An image
    gets its name only after its golden rows were answered inside it, where this Engine can run it.

    Raises UnreachableError when Docker, the base image or the package index cannot be reached,
    NotProvenError when a golden row is answered otherwise in the image.
    """
    platform = platform or settings.platform or DEFAULT_PLATFORM
    name, tag = bundle.manifest.name, f"{bundle.manifest.tag}-debug" if debug else bundle.manifest.tag
    engine = connect()
    # An original stays in the image: the server opens it where its code lies.
    stored = stored_model(bundle, model) if model and bundle.manifest.native is None else None
    if stored:
        upload_model(bundle, stored)
    with explained("build the image"):
        base = find_base(engine, base_for(bundle, settings.base), platform)
        with source_for(bundle, runtime_source()) as source:
            runtime = build_runtime(engine, base, source, debug=debug)
        layers = (*runtime.layers, bundle_layer(bundle, stored))
        composition = compose(layers, platform, image_settings(bundle, runtime))
        found = _find(engine, f"{name}:{tag}", composition)
        image_id = found or _load(engine, composition)
        rows = None if found else _prove(engine, image_id, platform, _mounts(bundle, stored))
        engine.images.get(image_id).tag(name, tag)
        _write_sbom(bundle, runtime)
    return Image(name, tag, image_id, platform, bundle.manifest.bundle_id, composition, not found, rows)


def bundle_layer(bundle: Bundle, stored: StoredModel | None = None) -> Layer:
    """The layer that sets this image apart from others, from the cache when its files are the same."""
    tree = bundle_tree(bundle, stored)
    key = hashlib.sha256()
    for name, node in sorted(tree.items()):
        content = Sink(lambda _: None)
        with node.open() as file:
            shutil.copyfileobj(file, content)
        key.update(f"{name} {content.digest}\n".encode())

    def make(into: Path) -> None:
        layer = write_layer(tree, into / "bundle.tar.gz")
        (into / "layer.json").write_text(json.dumps(asdict(layer) | {"path": layer.path.name}), encoding="utf-8")

    folder = kept("bundle", key.hexdigest(), make, keep=KEPT_BUNDLES)
    described = json.loads((folder / "layer.json").read_text(encoding="utf-8"))
    return Layer(**described | {"path": folder / described["path"]})


def bundle_tree(bundle: Bundle, stored: StoredModel | None = None) -> Tree:
    """The bundle as it lies in the image; of a model that is stored elsewhere, its address."""
    tree = {f"bundle/{name}": file_node(bundle.path / name) for name in bundle.served_files()}
    if stored:
        del tree["bundle/model.onnx"]
        tree["bundle/store.json"] = file_node(stored.to_bytes())
    return tree


def _mounts(bundle: Bundle, stored: StoredModel | None) -> dict[str, str]:
    """What an image needs beside itself to be proven: a model that it would fetch, as if it had been fetched."""
    return {str(bundle.model_path.resolve()): f"{MODELS}/{stored.sha256}.onnx"} if stored else {}


def image_settings(bundle: Bundle, runtime: Runtime) -> dict[str, Any]:
    """How the image starts, and what it says about itself."""
    return {
        "User": f"{USER}:{USER}",
        "Env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
        "Entrypoint": list(ENTRYPOINT),
        "WorkingDir": "/",
        "ExposedPorts": {f"{PORT}/tcp": {}},
        "Labels": labels_of(bundle) | {RUNTIME: runtime.key},
        "StopSignal": STOP_SIGNAL,
    }


def labels_of(bundle: Bundle) -> dict[str, str]:
    """What an image says about itself, however it is built."""
    labels = {
        TITLE: bundle.manifest.name,
        VERSION: bundle.manifest.version,
        BUNDLE_ID: bundle.manifest.bundle_id,
        MLDEPLOY_VERSION: __version__,
    }
    if commit := git_commit(bundle.path):
        labels[REVISION] = commit
    return labels


def git_commit(folder: Path) -> str | None:
    """The commit checked out around `folder`, marked `-dirty` when files differ from it; None outside of git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


def _write_sbom(bundle: Bundle, runtime: Runtime) -> None:
    """Put what the image is made of beside the bundle's proof."""
    document = cyclonedx(bundle.manifest, runtime.components)
    folder = bundle.path / "report"
    folder.mkdir(exist_ok=True)
    (folder / "sbom.cdx.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _find(engine: DockerClient, reference: str, image: Composition) -> str | None:
    """The id of `image` if the Engine has it under its name."""
    try:
        found = str(engine.images.get(reference).id)
    except ImageNotFound:
        return None
    return found if found in image.ids else None


def _load(engine: DockerClient, image: Composition) -> str:
    with tempfile.TemporaryFile() as file, explained("load the new image"):
        write_archive(image, file)
        file.seek(0)
        return str(engine.images.load(file)[0].id)


def _prove(engine: DockerClient, image_id: str, platform: str, mounts: Mapping[str, str]) -> int | None:
    """How many golden rows the image answered; None for a platform that this Engine does not run itself."""
    if platform != native_platform(engine):
        return None
    try:
        return prove_golden_rows(engine, image_id, mounts)
    except BaseException:
        if not engine.images.get(image_id).tags:
            engine.images.remove(image_id)
        raise
