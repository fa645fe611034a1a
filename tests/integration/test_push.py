"""Pushing to real registries, and to ones that fail in the ways real ones do."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest

from mldeploy.config import ImageConfig
from mldeploy.errors import UnreachableError
from mldeploy.image import Image, build_image, push_image, repository
from mldeploy.image.archive import MANIFEST_TYPE, compose
from mldeploy.image.engine import connect
from mldeploy.image.repository import CHUNK_BYTES
from mldeploy.image.tree import file_node, write_layer
from tests.integration.bundles import linear_bundle
from tests.integration.cutting_proxy import cutting_proxy
from tests.rig import images as rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL_OVERHEAD = 64 * 1024


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Image, Image]]:
    """Two versions of one model."""
    settings = ImageConfig(base=rig.python())
    folder = tmp_path_factory.mktemp("build")
    one, two = (build_image(linear_bundle(folder, name="pushed", weight=weight), settings) for weight in (1.0, 2.0))
    yield one, two
    for image in (one, two):
        for tag in connect().images.get(image.id).tags:
            connect().images.remove(tag)


@pytest.fixture
def registry() -> Iterator[str]:
    container = connect().containers.run(rig.registry(), detach=True, ports={"5000/tcp": ("127.0.0.1", 0)})
    try:
        container.reload()
        published = container.ports["5000/tcp"]
        assert published
        address = f"127.0.0.1:{published[0]['HostPort']}"
        _await_answer(address)
        yield address
    finally:
        container.remove(force=True, v=True)


def _await_answer(address: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://{address}/v2/", trust_env=False).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the registry did not start")


def _blobs(registry: str, reference: str) -> dict[str, int]:
    """The digests and compressed sizes of what an image is made of, as the registry has it."""
    repository, digest = reference.removeprefix(f"{registry}/").split("@")
    answer = httpx.get(
        f"http://{registry}/v2/{repository}/manifests/{digest}",
        headers={"Accept": MANIFEST_TYPE},
        trust_env=False,
    )
    manifest = answer.raise_for_status().json()
    return {part["digest"]: part["size"] for part in (manifest["config"], *manifest["layers"])}


def test_a_push_gives_the_digest_to_pull_by_and_a_second_version_moves_its_own_bytes_only(
    versions: tuple[Image, Image], registry: str
) -> None:
    first, second = (push_image(image, f"{registry}/team") for image in versions)
    assert first.startswith(f"{registry}/team/pushed@sha256:")
    known, wanted = _blobs(registry, first), _blobs(registry, second)
    moved = sum(size for digest, size in wanted.items() if digest not in known)
    assert 0 < moved < MODEL_OVERHEAD
    assert second.endswith(versions[1].composition.digest)
    connect().images.remove(versions[1].id, force=True)
    assert connect().images.pull(second).id == versions[1].id


@pytest.fixture
def large(tmp_path: Path) -> Image:
    """An image of one layer that takes three chunks, the last one small."""
    content = np.random.default_rng(1).bytes(2 * CHUNK_BYTES + 100_000)
    layer = write_layer({"bundle/model.onnx": file_node(content)}, tmp_path / "bundle.tar.gz")
    composition = compose((layer,), "linux/amd64", {})
    return Image("large", "1", "", "linux/amd64", "", composition, built=True, golden_rows=None)


def test_an_upload_whose_connection_breaks_goes_on_where_the_registry_confirmed_it(large: Image, registry: str) -> None:
    with cutting_proxy(registry, "whole requests", 2, 4) as proxy:
        push_image(large, proxy.address)
    (layer,) = large.composition.layers
    assert _blob(registry, "large", layer.digest) == layer.path.read_bytes()
    # The second chunk is sent twice, half of it in vain, and the third one, too.
    halves = CHUNK_BYTES // 2 + (layer.size - 2 * CHUNK_BYTES) // 2
    assert proxy.received == layer.size + halves + len(large.composition.config)


def test_an_upload_of_which_the_registry_dropped_all_is_begun_anew(large: Image, registry: str) -> None:
    with cutting_proxy(registry, "bytes", 2) as proxy:
        push_image(large, proxy.address)
    (layer,) = large.composition.layers
    assert _blob(registry, "large", layer.digest) == layer.path.read_bytes()


def test_a_registry_that_dies_in_the_middle_is_unreachable(
    large: Image, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "PAUSES_S", (0.01, 0.01))
    with cutting_proxy(registry, "whole requests", *range(2, 10)) as proxy:
        with pytest.raises(UnreachableError, match="does not answer") as failure:
            push_image(large, proxy.address)
        assert "again and again" in failure.value.cause


def _blob(registry: str, repository: str, digest: str) -> bytes:
    url = f"http://{registry}/v2/{repository}/blobs/{digest}"
    return httpx.get(url, trust_env=False).raise_for_status().content


def test_a_registry_that_is_not_there_is_unreachable(versions: tuple[Image, Image]) -> None:
    with pytest.raises(UnreachableError, match="does not answer") as failure:
        push_image(versions[0], "127.0.0.1:9")
    assert "Connection refused" in failure.value.cause


def test_a_registry_that_accepts_and_stays_silent_is_given_up_on_soon(versions: tuple[Image, Image]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(UnreachableError, match="does not answer"):
            push_image(versions[0], f"127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - started < 10


class _Registry(BaseHTTPRequestHandler):
    def _answer(self, status: int, **headers: str) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


class _Refusing(_Registry):
    def _refuse(self) -> None:
        self._answer(401, WWW_Authenticate='Basic realm="registry"')

    do_GET = do_HEAD = do_POST = _refuse


class _Redirecting(_Registry):
    """It has every blob, in a bucket; it takes manifests, and no uploads."""

    def do_GET(self) -> None:
        self._answer(200)

    def do_HEAD(self) -> None:
        self._answer(307, Location="http://127.0.0.1:9/bucket")

    def do_PUT(self) -> None:
        self._answer(201)


@contextmanager
def registry_of(handler: type[_Registry]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_registry_that_refuses_the_login_says_how_to_log_in(versions: tuple[Image, Image]) -> None:
    with registry_of(_Refusing) as address, pytest.raises(UnreachableError, match="refuses the login") as failure:
        push_image(versions[0], address)
    assert f"docker login {address}" in failure.value.remedy


def test_what_a_registry_keeps_in_a_bucket_is_not_uploaded_again(large: Image) -> None:
    with registry_of(_Redirecting) as address:
        assert push_image(large, address) == f"{address}/large@{large.composition.digest}"
