"""Models in object storage: a real S3 interface, and connections that fail in the ways real ones do."""

from __future__ import annotations

import hashlib
import http.client
import json
import tarfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal

import httpx
import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import S3FileSystem

from mldeploy.config import ImageConfig, ModelConfig
from mldeploy.errors import UnreachableError
from mldeploy.image import build_image
from mldeploy.image.build import bundle_tree
from mldeploy.image.engine import connect
from mldeploy.image.store import StoredModel, stored_model, upload_model
from mldeploy.image.tree import write_folder
from mldeploy_runtime import store
from mldeploy_runtime.bundle import BundleError
from mldeploy_runtime.store import model_file
from tests.integration.bundles import ROWS, linear_bundle
from tests.rig import images
from tests.unit.runtime.server import free_port, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mldeploy.bundle import Bundle

Failure = Literal["cut", "damage", "busy"]


@dataclass
class Storage:
    """A real S3 interface at `address`, and at `url` a front of it that fails as it is told, a GET after the other.

    `ranges` are what was asked of the front, which answers while `open` is set.
    """

    address: str
    url: str = ""
    failures: list[Failure] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)

    @property
    def settings(self) -> ModelConfig:
        return ModelConfig(store="s3://models/team", store_over_mb=0, endpoint=f"http://{self.address}")


class _Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    storage: Storage

    def do_GET(self) -> None:
        storage = self.storage
        storage.ranges.append(self.headers.get("Range", ""))
        storage.open.wait()
        failure = storage.failures.pop(0) if storage.failures else None
        if failure == "busy":
            self.send_error(503)
            return
        connection = http.client.HTTPConnection(storage.address)
        connection.request("GET", self.path, headers=dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if failure == "cut":
            content = content[: len(content) // 2]
            self.close_connection = True
        if failure == "damage":
            content = bytes([content[0] ^ 1]) + content[1:]
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture
def storage(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(store, "PAUSES_S", (0.01, 0.01, 0.01))
    httpx.post(f"http://{moto}/moto-api/reset", trust_env=False).raise_for_status()
    buckets = S3FileSystem(endpoint_override=moto, scheme="http", region="us-east-1", allow_bucket_creation=True)
    buckets.create_dir("models")
    storage = Storage(moto)
    storage.open.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Front", (_Front,), {"storage": storage})) as front:
        storage.url = f"http://127.0.0.1:{front.server_port}"
        thread = threading.Thread(target=front.serve_forever)
        thread.start()
        yield storage
        front.shutdown()
        thread.join()


@dataclass(frozen=True)
class Shipped:
    """A bundle as it lies in its image, with its model in storage; and a folder to fetch that into."""

    bundle: Bundle
    stored: StoredModel
    in_image: Path
    models: Path

    @property
    def part(self) -> Path:
        return self.models / f"{self.stored.sha256}.part"

    def fetch(self) -> bytes:
        return model_file(self.in_image, self.models).read_bytes()


@pytest.fixture
def shipped(storage: Storage, tmp_path: Path) -> Shipped:
    bundle = linear_bundle(tmp_path / "build", name="far")
    stored = stored_model(bundle, storage.settings)
    assert stored
    assert upload_model(bundle, stored)
    stored = replace(stored, url=stored.url.replace(f"http://{storage.address}", storage.url))
    write_folder(bundle_tree(bundle, stored), tmp_path / "image")
    (tmp_path / "models").mkdir()
    return Shipped(bundle, stored, tmp_path / "image" / "bundle", tmp_path / "models")


def test_a_model_is_put_into_storage_once_and_fetched_once(storage: Storage, shipped: Shipped) -> None:
    stored = stored_model(shipped.bundle, storage.settings)
    assert stored
    assert not upload_model(shipped.bundle, stored)
    whole = shipped.bundle.model_path.read_bytes()
    assert shipped.fetch() == whole
    assert shipped.fetch() == whole
    assert storage.ranges == [f"bytes=0-{len(whole) - 1}"]
    assert not (shipped.in_image / "model.onnx").exists()


def test_an_interrupted_download_goes_on_where_it_stopped(storage: Storage, shipped: Shipped) -> None:
    storage.failures = ["cut", "busy"]
    whole = shipped.bundle.model_path.read_bytes()
    assert shipped.fetch() == whole
    last = len(whole) - 1
    assert storage.ranges == [f"bytes=0-{last}", f"bytes={len(whole) // 2}-{last}", f"bytes={len(whole) // 2}-{last}"]


def test_a_start_that_was_cut_off_leaves_what_it_had_for_the_next(storage: Storage, shipped: Shipped) -> None:
    storage.failures = ["cut", *["busy"] * 4]  # type: ignore[list-item]
    with pytest.raises(BundleError, match="cannot be fetched: 503"):
        shipped.fetch()
    assert shipped.part.stat().st_size == shipped.stored.size // 2
    assert shipped.fetch() == shipped.bundle.model_path.read_bytes()


def test_a_damaged_download_is_made_once_more(storage: Storage, shipped: Shipped) -> None:
    storage.failures = ["damage"]
    assert shipped.fetch() == shipped.bundle.model_path.read_bytes()


def test_another_model_at_the_address_is_never_served(storage: Storage, shipped: Shipped) -> None:
    storage.failures = ["damage", "damage"]
    with pytest.raises(BundleError, match="sha-256 is another"):
        shipped.fetch()
    assert not list(shipped.models.glob("*.onnx"))


def test_a_kept_model_that_was_damaged_is_fetched_again(storage: Storage, shipped: Shipped) -> None:
    path = model_file(shipped.in_image, shipped.models)
    path.write_bytes(bytes(shipped.stored.size))
    assert shipped.fetch() == shipped.bundle.model_path.read_bytes()
    assert len(storage.ranges) == 2


def test_a_model_that_is_not_there_is_named_at_once(storage: Storage, shipped: Shipped) -> None:
    httpx.post(f"http://{storage.address}/moto-api/reset", trust_env=False)
    with pytest.raises(BundleError, match=f"there is nothing at {shipped.stored.address}"):
        shipped.fetch()
    assert len(storage.ranges) == 1


@pytest.mark.usefixtures("storage")
def test_storage_that_does_not_answer_is_named_when_packaging(tmp_path: Path) -> None:
    settings = ModelConfig(store="s3://models/team", store_over_mb=0, endpoint="http://127.0.0.1:9")
    bundle = linear_bundle(tmp_path, name="far")
    stored = stored_model(bundle, settings)
    assert stored
    with pytest.raises(UnreachableError, match="s3://models/team") as failure:
        upload_model(bundle, stored)
    assert "model.store" in failure.value.remedy


def test_a_small_model_stays_in_the_image(tmp_path: Path) -> None:
    assert stored_model(linear_bundle(tmp_path), ModelConfig(store="s3://models/team")) is None


def test_the_server_is_not_ready_before_the_model_is_there(storage: Storage, shipped: Shipped, tmp_path: Path) -> None:
    storage.open.clear()
    port = free_port()
    seen: list[int] = []

    def see_and_open() -> None:
        """Wait until the server answers while its request for the model is held; then let that go on."""
        while not (storage.ranges and seen):
            with suppress(httpx.TransportError):
                seen.append(httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False).status_code)
            time.sleep(0.05)
        storage.open.set()

    thread = threading.Thread(target=see_and_open)
    thread.start()
    models = str(shipped.models)
    with started(
        shipped.in_image, tmp_path, MLDEPLOY_MODELS=models, MLDEPLOY_PORT=str(port), MLDEPLOY_WORKERS="2"
    ) as server:
        thread.join()
        assert set(seen) == {503}
        assert httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False).status_code == 200
        assert server.control("golden")[1]["rows"] == len(ROWS)
    assert len(storage.ranges) == 1  # two workers, one download


def test_the_server_says_why_it_does_not_become_ready(storage: Storage, shipped: Shipped, tmp_path: Path) -> None:
    httpx.post(f"http://{storage.address}/moto-api/reset", trust_env=False)
    with started(shipped.in_image, tmp_path, ready=False, MLDEPLOY_MODELS=str(shipped.models)) as server:
        code, answer = server.control("wait-ready", "--timeout", "60")
        assert code == 1
        assert "there is nothing at s3://models/team/" in answer["reason"]


def test_an_image_of_a_stored_model_holds_its_address_and_is_proven_with_it(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bundle = linear_bundle(tmp_path, name="far", weight=5.0)
    image = build_image(bundle, ImageConfig(base=images.python()), model=storage.settings)
    try:
        assert image.golden_rows == len(ROWS)
        with tarfile.open(image.composition.layers[-1].path) as layer:
            assert "bundle/model.onnx" not in layer.getnames()
            file = layer.extractfile("bundle/store.json")
            assert file
            said = json.load(file)
        assert said["sha256"] == hashlib.sha256(bundle.model_path.read_bytes()).hexdigest()
        assert said["address"] == f"s3://models/team/{said['sha256']}.onnx"
    finally:
        connect().images.remove(image.id, force=True)
