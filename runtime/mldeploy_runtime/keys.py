"""Who asks: the keys of the host's file, short-lived ones that this server signs itself, and JSON Web Tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - msgspec reads the annotation
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mldeploy_runtime.logs import Log
    from mldeploy_runtime.shared import Memory

STORED = b"mld_"
SHORT_LIVED = b"mls_"
PREFIX = len(STORED)
LOOK_EVERY_SECONDS = 1.0
SECRET_BYTES = 32
# So many verified keys are remembered; what is refused never is.
MOST_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a key belongs to. `identity` is what its requests are counted by, `rate` how many it may send a second,
    None for the server's default; `expires` is in seconds since 1970. One that is `exempt` has no limit of rate."""

    name: str
    identity: str
    scopes: frozenset[str]
    rate: float | None = None
    expires: float = float("inf")
    exempt: bool = False


class StoredKey(msgspec.Struct, frozen=True):
    """A key as the host's file holds it: `sha256`, in hexadecimal, is that of the whole key."""

    id: str
    name: str
    sha256: str
    scopes: frozenset[str]
    rate: Annotated[float, Meta(gt=0)] | None = None
    expires: Annotated[datetime, Meta(tz=True)] | None = None


class StoredKeys(msgspec.Struct, frozen=True):
    schema: Literal[1]
    keys: tuple[StoredKey, ...]


class ShortLivedKey(msgspec.Struct, frozen=True):
    name: str
    scopes: frozenset[str]
    expires: float


class KeyFile:
    """The stored keys. The host's file is the truth: it is read again when it has changed, which is looked for once a
    second at most. One that cannot be read leaves in force what was read before, which at the start is no key, and is
    tried again."""

    def __init__(self, path: Path, log: Log) -> None:
        self._path = path
        self._log = log
        # Of the file whose keys are in force, and of the one that could not be read.
        self._stamp: tuple[int, ...] | None = None
        self._failed: tuple[int, ...] | None = None
        self._look_at = 0.0
        self._keys: dict[bytes, StoredKey] = {}
        self.changed(time.time())

    def changed(self, now: float) -> bool:
        """Whether other keys are in force than when last asked; `now` is in seconds since 1970."""
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_EVERY_SECONDS
        stamp = self._seen()
        if stamp == self._stamp:
            return False
        try:
            stored = msgspec.json.decode(self._path.read_bytes(), type=StoredKeys)
        except (OSError, ValueError) as failure:
            if stamp != self._failed:
                self._failed = stamp
                self._log.write("keys cannot be read", "error", path=str(self._path), error=str(failure))
            return False
        self._stamp, self._failed = stamp, None
        self._keys = {key.id.encode(): key for key in stored.keys}
        return True

    def find(self, key: bytes) -> Caller | None:
        """The caller of a key `mld_<id>_<secret>`."""
        identity = key[len(STORED) :].partition(b"_")[0]
        stored = self._keys.get(identity)
        digest = hashlib.sha256(key).hexdigest().encode()
        # Compared though there is no such id, so that the time does not tell which ids there are.
        expected = stored.sha256.encode() if stored else digest[::-1]
        if not hmac.compare_digest(digest, expected) or stored is None:
            return None
        expires = stored.expires.timestamp() if stored.expires else float("inf")
        return Caller(stored.name, stored.id, stored.scopes, stored.rate, expires)

    def _seen(self) -> tuple[int, ...]:
        """What differs when the file was replaced or written; empty when there is none."""
        try:
            status = self._path.stat()
        except OSError:
            return ()
        return status.st_mtime_ns, status.st_size, status.st_ino


class Signer:
    """Short-lived keys: each carries what it is for, signed (HMAC-SHA256) with a secret that lives in the workers'
    memory alone. So every worker knows every key, and none has to be kept."""

    def __init__(self, memory: Memory) -> None:
        self._secret = memory.octets(SECRET_BYTES)
        if not any(self._secret):
            self._secret[:] = secrets.token_bytes(SECRET_BYTES)

    def issue(self, name: str, scope: str, expires: float) -> str:
        content = to_text(msgspec.json.encode(ShortLivedKey(name, frozenset([scope]), expires)))
        return (SHORT_LIVED + content + b"." + self._signature(content)).decode()

    def find(self, key: bytes) -> Caller | None:
        """The caller of a key `mls_<content>.<signature>`."""
        content, _, signature = key[len(SHORT_LIVED) :].partition(b".")
        if not hmac.compare_digest(signature, self._signature(content)):
            return None
        issued = msgspec.json.decode(from_text(content), type=ShortLivedKey)
        return Caller(issued.name, issued.name, issued.scopes, expires=issued.expires, exempt=True)

    def _signature(self, content: bytes) -> bytes:
        return to_text(hmac.digest(bytes(self._secret), content, "sha256"))


class Keys:
    """Finds the caller of a key, and remembers it: a key that comes again costs one look into a dictionary.

    The dictionary's own comparison tells nothing by its time: it compares only keys whose hashes, made with this
    process's secret seed, are the same.
    """

    def __init__(
        self, file: KeyFile | None, signer: Signer, find_token: Callable[[bytes], Caller | None] | None
    ) -> None:
        self._file = file
        self._find = {STORED: file.find if file else None, SHORT_LIVED: signer.find}
        self._find_token = find_token
        self._remembered: dict[bytes, Caller] = {}

    def find(self, key: bytes) -> Caller | None:
        """The caller of `key`; None when it is none of ours, was revoked, or has expired."""
        now = time.time()
        if self._file is not None and self._file.changed(now):
            self._remembered.clear()
        caller = self._remembered.get(key)
        if caller is None:
            find = self._find.get(key[:PREFIX], self._find_token)
            caller = find(key) if find else None
            if caller is None:
                return None
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = caller
        return caller if now < caller.expires else None


def to_text(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def from_text(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
