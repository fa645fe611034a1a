"""A registry's repository, through the OCI distribution API: uploads that survive broken connections."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from mldeploy.errors import MldeployError, UnreachableError
from mldeploy.image.login import TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mldeploy.image.tree import Node

CHUNK_BYTES = 8 * 1024 * 1024
"""What is sent before a registry is asked to confirm it. Some refuse chunks of under 5 MB."""
SLICE_BYTES = 64 * 1024

PAUSES_S = (0.5, 1, 2, 4)
"""How long to wait before trying again after a connection broke, with nothing confirmed in between."""
MAX_BEGINNINGS = 5
"""How often a blob is begun: some registries drop what they had of it with the connection."""

ELSEWHERE = (httpx.codes.FOUND, httpx.codes.SEE_OTHER, httpx.codes.TEMPORARY_REDIRECT)
"""What a registry answers that has a blob, and keeps it in a bucket from which it is to be fetched."""

_Answer = TypeVar("_Answer")


class _BrokenError(Exception):
    """The connection broke, or the registry says that it cannot just now."""


class Repository:
    """One repository: `name` without the registry's address."""

    def __init__(self, client: httpx.Client, registry: str, name: str) -> None:
        self._client = client
        self._registry = registry
        self._path = f"/v2/{name}"

    def has(self, digest: str) -> bool:
        answer = self._insist(lambda: self._ask("HEAD", f"{self._path}/blobs/{digest}", may_lack=True))
        return answer.is_success or answer.status_code in ELSEWHERE

    def upload(self, digest: str, content: Node, moved: Callable[[int], object]) -> None:
        """Upload a blob in chunks; after a broken connection go on where the registry says that it is.

        `moved` is told how many bytes have moved. Raises UnreachableError when the registry stays away.
        """
        size = content.size
        place, offset, begun = "", 0, 0

        def send_chunk() -> None:
            nonlocal place, offset, begun
            if not place:
                begun += 1
                if begun > MAX_BEGINNINGS:
                    raise unreachable(self._registry, "each time the connection breaks it drops what it had")
                place, offset = self._begin(), 0
            chunk = _Chunk(content, offset, min(CHUNK_BYTES, size - offset), moved)
            answer = self._ask("PATCH", place, content=chunk, headers=chunk.headers)
            place, offset = _place(answer), offset + chunk.size

        def find_place() -> None:
            nonlocal place, offset
            place, offset = self._confirmed(place)
            moved(offset)

        while offset < size:
            self._insist(send_chunk, mend=find_place)
        self._insist(lambda: self._finish(place, digest))

    def tag(self, tag: str, media_type: str, manifest: bytes) -> None:
        """Put the manifest, whose blobs are there, under a tag as well as under its digest."""
        headers = {"Content-Type": media_type}
        self._insist(lambda: self._ask("PUT", f"{self._path}/manifests/{tag}", content=manifest, headers=headers))

    def _begin(self) -> str:
        return _place(self._ask("POST", f"{self._path}/blobs/uploads/"))

    def _confirmed(self, place: str) -> tuple[str, int]:
        """Where to go on, and from which byte; from the first, where the registry has dropped what it had."""
        if not place:
            return "", 0
        answer = self._ask("GET", place, may_lack=True)
        last = answer.headers.get("Range", "").rpartition("-")[2]
        if not answer.is_success or not last.isdigit():
            return "", 0
        # No byte at all is said as `0-0`, too.
        return _place(answer), int(last) + 1 if int(last) else 0

    def _finish(self, place: str, digest: str) -> None:
        """Close the upload. When the answer to that was lost, the blob may be there already."""
        answer = self._ask("PUT", str(httpx.URL(place).copy_merge_params({"digest": digest})), may_lack=True)
        if not answer.is_success and not self.has(digest):
            raise self._refused(answer)

    def _insist(self, action: Callable[[], _Answer], *, mend: Callable[[], object] | None = None) -> _Answer:
        """Do it, and after a broken connection mend what that left and do it again, for a while."""
        pauses = iter(PAUSES_S)
        while True:
            try:
                return action()
            except _BrokenError as failure:
                pause = next(pauses, None)
                if pause is None:
                    raise unreachable(self._registry, f"the connection breaks again and again: {failure}") from failure
            time.sleep(pause)
            if mend:
                with suppress(_BrokenError):
                    mend()

    def _ask(self, method: str, url: str, *, may_lack: bool = False, **request: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, url, **request)
        except httpx.TransportError as failure:
            raise _BrokenError(str(failure) or type(failure).__name__) from failure
        if answer.status_code >= 500 or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise _BrokenError(_reason(answer))
        lacks = answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE)
        has_elsewhere = method == "HEAD" and answer.status_code in ELSEWHERE
        if not (answer.is_success or has_elsewhere or (may_lack and lacks)):
            raise self._refused(answer)
        return answer

    def _refused(self, answer: httpx.Response) -> MldeployError:
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return UnreachableError(
                f"the registry {self._registry} refuses the login",
                cause=_reason(answer),
                remedy=f"Log in with `docker login {self._registry}`, as one who may push there, or put a token "
                f"into {TOKEN_VARIABLE}.",
            )
        return MldeployError(
            f"the registry {self._registry} did not take the image", cause=_reason(answer), remedy="Try again."
        )


def unreachable(registry: str, cause: str) -> UnreachableError:
    return UnreachableError(
        f"the registry {registry} does not answer",
        cause=cause,
        remedy="Check `registry` in mldeploy.toml, and that the registry runs and this machine reaches it.",
    )


class _Chunk:
    """A part of a blob as the body of a request; it can be read again, should the request be sent again."""

    def __init__(self, content: Node, start: int, size: int, moved: Callable[[int], object]) -> None:
        self._content = content
        self._start = start
        self._moved = moved
        self.size = size
        self.headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
            "Content-Range": f"{start}-{start + size - 1}",
        }

    def __iter__(self) -> Iterator[bytes]:
        with self._content.open() as file:
            file.seek(self._start)
            left = self.size
            while left:
                content = file.read(min(left, SLICE_BYTES))
                left -= len(content)
                yield content
                self._moved(self._start + self.size - left)


def _place(answer: httpx.Response) -> str:
    """Where an upload goes on: an address that may lack the registry's own."""
    return str(answer.url.join(answer.headers["Location"]))


def _reason(answer: httpx.Response) -> str:
    with suppress(ValueError, LookupError, TypeError):
        return "; ".join(str(error.get("message") or error["code"]) for error in answer.json()["errors"])
    return f"{answer.status_code} {answer.reason_phrase}"
