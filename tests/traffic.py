"""Steady POST traffic over keep-alive connections that counts every request that was not answered.

Nothing is retried: a connection that breaks under a request is a lost request, as it is for a plain client.
"""

from __future__ import annotations

import collections
import http.client
import itertools
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_SECONDS = 10


@dataclass
class Tally:
    """What came of the requests. `lost` holds one line a request that got no 200."""

    sent: int = 0
    versions: collections.Counter[str] = field(default_factory=collections.Counter)
    lost: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.sent} sent, {len(self.lost)} lost, answered by {dict(self.versions)}"


class Traffic:
    """Sends rows from `connections` clients at `rate` requests a second together, while the context is open."""

    def __init__(
        self,
        url: str,
        rows: Sequence[dict[str, Any]],
        key: str = "",
        root: str = "",
        *,
        connections: int = 8,
        rate: float = 150,
    ) -> None:
        """`key` is the API key; `root` the certificate, as PEM, of an authority that the system does not know."""
        self._url = urlsplit(url)
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._trust = ssl.create_default_context(cadata=root) if root else ssl.create_default_context()
        self._bodies = [json.dumps({"instances": [row]}).encode() for row in rows]
        self._pause = connections / rate
        self._over = threading.Event()
        self._guard = threading.Lock()
        self._threads = [threading.Thread(target=self._send, args=(n,), daemon=True) for n in range(connections)]
        self.tally = Tally()

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        self.await_answers(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def await_answers(self, count: int, version: str | None = None, deadline: float = 30) -> None:
        """Block until `count` more requests were answered (by `version`, if given)."""
        target = self._answered(version) + count
        until = time.monotonic() + deadline
        while self._answered(version) < target:
            if time.monotonic() > until:
                raise TimeoutError(f"no {count} answers by {version or 'any version'} in {deadline} s: {self.tally}")
            self._over.wait(0.01)

    def _answered(self, version: str | None) -> int:
        with self._guard:
            return self.tally.versions[version] if version else self.tally.versions.total()

    def _send(self, number: int) -> None:
        connection = self._connection()
        for body in itertools.islice(itertools.cycle(self._bodies), number, None):
            if self._over.wait(self._pause):
                break
            answered, lost = _post(connection, f"{self._url.path}/predict", body, self._headers)
            with self._guard:
                self.tally.sent += 1
                if lost:
                    self.tally.lost.append(f"{time.strftime('%H:%M:%S')} {lost}")
                else:
                    self.tally.versions[answered] += 1
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(self._url.netloc, timeout=TIMEOUT_SECONDS, context=self._trust)
        return http.client.HTTPConnection(self._url.netloc, timeout=TIMEOUT_SECONDS)


def _post(connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]) -> tuple[str, str]:
    """The version that answered, and in what way the request was lost: one of them is empty."""
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as failure:
        connection.close()
        return "", f"{type(failure).__name__}: {failure}"
    if response.status != http.HTTPStatus.OK:
        return "", f"{response.status}: {content[:200]!r}"
    return str(json.loads(content)["version"]), ""
