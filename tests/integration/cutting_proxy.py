"""A proxy before a registry that cuts connections in the middle of uploads."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["whole requests", "bytes"]


@dataclass
class Proxy:
    """`cuts` are the uploads to cut, by their number; `received` counts the bytes of all upload bodies.

    One that passes on whole requests shows the registry nothing of a request that it cuts, as most reverse
    proxies do; one that passes on bytes shows it a half.
    """

    registry: str
    kind: Kind
    cuts: frozenset[int]
    address: str = ""
    received: int = 0
    uploads: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def cutting_proxy(registry: str, kind: Kind, *cuts: int) -> Iterator[Proxy]:
    proxy = Proxy(registry, kind, frozenset(cuts))
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        proxy.address = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def _pass_on(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        if self.command == "PATCH" and self._is_to_be_cut():
            half = self.rfile.read(size // 2)
            self.proxy.received += len(half)
            if self.proxy.kind == "bytes":
                self._ask(half, size)
            self.close_connection = True
            return
        body = self.rfile.read(size)
        if self.command == "PATCH":
            self.proxy.received += len(body)
        connection = self._ask(body, size)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("date", "server", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        connection.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _pass_on

    def _is_to_be_cut(self) -> bool:
        with self.proxy.lock:
            self.proxy.uploads += 1
            return self.proxy.uploads in self.proxy.cuts

    def _ask(self, body: bytes, size: int) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.proxy.registry)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() != "content-length":
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(size))
        connection.endheaders(body)
        if len(body) < size:
            connection.close()
        return connection

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""
