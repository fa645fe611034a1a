"""Pushing to real registries, and to ones that fail in the ways real ones do."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
import pytest

from mldeploy.config import ImageConfig
from mldeploy.errors import UnreachableError
from mldeploy.image import Image, build_image, push_image
from mldeploy.image.engine import connect
from tests.integration.bundles import linear_bundle
from tests.rig import images as rig

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL_OVERHEAD = 64 * 1024


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Image, Image]]:
    """Two versions of one model."""
    settings = ImageConfig(base=rig.python())
    folder = tmp_path_factory.mktemp("build")
    one, two = (build_image(linear_bundle(folder, name="pushed", weight=weight), settings) for weight in (1.0, 2.0))
    yield one, two
    for image in (one, two):
        connect().images.remove(image.id, force=True)


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
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
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
    assert connect().images.get(second).id == versions[1].id


def test_a_registry_that_is_not_there_is_unreachable(versions: tuple[Image, Image]) -> None:
    with pytest.raises(UnreachableError, match="does not answer") as failure:
        push_image(versions[0], "127.0.0.1:9")
    assert "connection refused" in failure.value.cause


def test_a_registry_that_accepts_and_stays_silent_is_given_up_on_soon(versions: tuple[Image, Image]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(UnreachableError, match="does not answer"):
            push_image(versions[0], f"127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - started < 15


class _Refusing(BaseHTTPRequestHandler):
    def _refuse(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="registry"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_POST = _refuse

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@contextmanager
def refusing_registry() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_registry_that_refuses_the_login_says_how_to_log_in(versions: tuple[Image, Image]) -> None:
    with refusing_registry() as address, pytest.raises(UnreachableError, match="refuses the login") as failure:
        push_image(versions[0], address)
    assert f"docker login {address}" in failure.value.remedy
