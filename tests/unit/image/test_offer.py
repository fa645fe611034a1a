from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from mldeploy.image.archive import compose, digest_of
from mldeploy.image.offer import Offer
from mldeploy.image.tree import file_node, write_layer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mldeploy.image.archive import Composition


@pytest.fixture
def image(tmp_path: Path) -> Composition:
    layer = write_layer({"bundle/model.onnx": file_node(bytes(range(256)) * 1000)}, tmp_path / "bundle.tar.gz")
    return compose((layer,), "linux/amd64", {})


@pytest.fixture
def offer(image: Composition) -> Iterator[Offer]:
    with Offer(image, lambda *_: None) as offer:
        yield offer


@pytest.fixture
def url(offer: Offer) -> Iterator[str]:
    """Where connections are accepted and handed on, as SSH does on a host."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hand_on() -> None:
            with suppress(OSError):
                while True:
                    offer.process_request(*listener.accept())

        threading.Thread(target=hand_on, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def get(url: str, method: str = "GET") -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.request(method, url)


def test_the_image_can_be_had_by_its_digest_whole(image: Composition, url: str) -> None:
    assert get(f"{url}/v2/").status_code == 200
    manifest = get(f"{url}/v2/some/name/manifests/{image.digest}")
    assert manifest.headers["content-type"] == "application/vnd.oci.image.manifest.v1+json"
    parts = manifest.json()
    for part in (parts["config"], *parts["layers"]):
        blob = get(f"{url}/v2/some/name/blobs/{part['digest']}").content
        assert (digest_of(blob), len(blob)) == (part["digest"], part["size"])


def test_what_was_sent_is_counted_and_a_head_sends_nothing(image: Composition, offer: Offer, url: str) -> None:
    head = get(f"{url}/v2/name/blobs/{image.layers[0].digest}", "HEAD")
    assert head.headers["content-length"] == str(image.layers[0].size)
    assert offer.sent == 0
    get(f"{url}/v2/name/blobs/{image.layers[0].digest}")
    assert offer.sent == image.layers[0].size


@pytest.mark.parametrize("path", ["/", "/v2/name/manifests/latest", f"/v2/name/blobs/sha256:{'0' * 64}", "/etc/passwd"])
def test_nothing_else_can_be_had(url: str, path: str) -> None:
    assert get(url + path).status_code == 404


def test_nothing_can_be_put_there(url: str) -> None:
    assert get(f"{url}/v2/name/blobs/uploads/", "POST").status_code == 501
