"""A registry of one image, read-only, for a host to pull from where there is no other.

It listens nowhere: the connections it answers come through SSH, and are handed to `process_request`.
"""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import TYPE_CHECKING, Any

from mldeploy.image.archive import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, digest_of
from mldeploy.image.tree import file_node

if TYPE_CHECKING:
    from mldeploy.image.archive import Composition
    from mldeploy.image.progress import Moved
    from mldeploy.image.tree import Layer, Node

CHUNK_BYTES = 64 * 1024
API = "/v2/"


class Offer(ThreadingHTTPServer):
    """Answers the part of the OCI distribution specification that a pull by digest asks for.

    `sent` counts the bytes of what was asked for.
    """

    daemon_threads = True

    def __init__(self, image: Composition, moved: Moved) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.layers = {layer.digest: layer for layer in image.layers}
        self.blobs: dict[str, tuple[str, Node]] = {
            image.digest: (MANIFEST_TYPE, file_node(image.manifest)),
            digest_of(image.config): (CONFIG_TYPE, file_node(image.config)),
            **{layer.digest: (LAYER_TYPE, file_node(layer.path)) for layer in image.layers},
        }
        self.sent = 0
        self._moved = moved
        self._lock = Lock()

    def count(self, layer: Layer | None, so_far: int, more: int) -> None:
        with self._lock:
            self.sent += more
        if layer:
            self._moved(layer, so_far)

    def handle_error(self, *_: Any) -> None:
        """A connection that broke: whoever pulls says so, and why."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Offer

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        digest = self.path.rpartition("/")[2]
        if self.path == API:
            self._head("application/json", 0)
        elif digest in self.server.blobs:
            media_type, content = self.server.blobs[digest]
            self._head(media_type, content.size, digest)
            if with_body:
                self._body(digest, content)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _head(self, media_type: str, size: int, digest: str = "") -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(size))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()

    def _body(self, digest: str, content: Node) -> None:
        layer, so_far = self.server.layers.get(digest), 0
        with content.open() as file:
            while chunk := file.read(CHUNK_BYTES):
                self.wfile.write(chunk)
                so_far += len(chunk)
                self.server.count(layer, so_far, len(chunk))

    def log_message(self, *_: Any) -> None:
        """What moves is shown as bars, not as lines."""
