"""A model that is too large for the image: fetched from object storage at the start, verified, and kept.

The image then holds store.json in place of the model: where it is, and what it must be.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from mldeploy_runtime.bundle import BundleError
from mldeploy_runtime.signing import read_credentials, signed_headers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = 1
CHUNK_BYTES = 1024 * 1024
SILENCE_S = 30
PAUSES_S = (1, 2, 4, 8, 16)
"""How long to wait before asking again, when nothing came in between."""
KEPT_MODELS = 3


class Stored(msgspec.Struct, frozen=True):
    """store.json: the model's address, its sha-256 and size in bytes, and the region that requests are signed for.

    `url` is where the object answers over HTTP; `address` is its name for people, such as s3://bucket/key.
    """

    schema: int
    address: str
    url: str
    region: str
    sha256: str
    size: int


class _BrokenError(Exception):
    """The download stopped before its end; what came is kept."""


def read_stored(bundle: Path) -> Stored | None:
    """What store.json says; None for a bundle that holds its model. Raises BundleError when it is damaged."""
    try:
        stored = msgspec.json.decode((bundle / "store.json").read_bytes(), type=Stored)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as failure:
        raise BundleError(f"store.json is damaged: {failure}") from failure
    if stored.schema != SCHEMA:
        raise BundleError(f"store.json has schema number {stored.schema!r}; this runtime reads {SCHEMA}")
    return stored


def model_size(bundle: Path) -> int:
    """The model's size in bytes, wherever it is. Raises BundleError when store.json is damaged."""
    if stored := read_stored(bundle):
        return stored.size
    return sum(_size(path) for path in (bundle / "model.onnx", *bundle.glob("native/*")))


def model_file(bundle: Path, models: Path) -> Path:
    """The model's file: in the bundle, or in the folder `models`, into which it is fetched unless it is there.

    Several processes may ask at once: one fetches. Raises BundleError when it cannot be had, or is another one.
    """
    stored = read_stored(bundle)
    if stored is None:
        return bundle / "model.onnx"
    target = models / f"{stored.sha256}.onnx"
    try:
        with _alone(models):
            if not _is_whole(target, stored):
                _fetch(stored, target)
            _forget_older(models)
    except OSError as failure:
        raise BundleError(f"{stored.address} cannot be kept in {models}: {failure.strerror}") from failure
    return target


@contextmanager
def _alone(models: Path) -> Iterator[None]:
    """Hold the folder's lock; where it may not be written to, others can change nothing in it either."""
    try:
        lock = os.open(models / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _is_whole(path: Path, stored: Stored) -> bool:
    try:
        if path.stat().st_size != stored.size:
            return False
        with path.open("rb") as file:
            whole = hashlib.file_digest(file, "sha256").hexdigest() == stored.sha256
    except FileNotFoundError:
        return False
    with suppress(OSError):
        os.utime(path)
    return whole


def _fetch(stored: Stored, target: Path) -> None:
    """Download to `target`; a damaged download is thrown away and made once more."""
    part = target.with_suffix(".part")
    for _ in range(2):
        _download(stored, part)
        if _is_whole(part, stored):
            part.replace(target)
            return
        part.unlink()
    raise BundleError(f"what is at {stored.address} is not the model of this bundle: its sha-256 is another")


def _download(stored: Stored, part: Path) -> None:
    """Fetch what is missing of `part`, going on where a broken connection left it."""
    pauses = iter(PAUSES_S)
    while (have := _size(part)) < stored.size:
        try:
            _append(stored, part, have)
        except _BrokenError as failure:
            if _size(part) > have:
                pauses = iter(PAUSES_S)
            pause = next(pauses, None)
            if pause is None:
                raise BundleError(f"{stored.address} cannot be fetched: {failure}") from failure
            time.sleep(pause)


def _append(stored: Stored, part: Path, have: int) -> None:
    headers = signed_headers(stored.url, stored.region, read_credentials())
    headers["Range"] = f"bytes={have}-{stored.size - 1}"
    request = urllib.request.Request(stored.url, headers=headers)  # noqa: S310  http or https: the bundle says so
    try:
        with (
            urllib.request.urlopen(request, timeout=SILENCE_S) as answer,  # noqa: S310
            # A server that knows no ranges sends all of it again.
            part.open("ab" if answer.status == http.client.PARTIAL_CONTENT else "wb") as file,
        ):
            while chunk := answer.read(CHUNK_BYTES):
                file.write(chunk)
    except urllib.error.HTTPError as failure:
        _refuse(stored, failure)
        raise _BrokenError(f"{failure.code} {failure.reason}") from failure
    except (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, TimeoutError, ConnectionError) as failure:
        raise _BrokenError(str(getattr(failure, "reason", failure)) or type(failure).__name__) from failure
    if _size(part) < stored.size:
        raise _BrokenError("the connection ended early")


def _refuse(stored: Stored, failure: urllib.error.HTTPError) -> None:
    """Raises BundleError for an answer that asking again will not change."""
    if failure.code == http.client.NOT_FOUND:
        raise BundleError(f"there is nothing at {stored.address}") from failure
    if failure.code in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        raise BundleError(
            f"{stored.address} may not be read: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are missing or not taken"
        ) from failure
    if failure.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise BundleError(f"what is at {stored.address} is shorter than the model of this bundle") from failure


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _forget_older(models: Path) -> None:
    there = sorted(models.glob("*.onnx"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in there[KEPT_MODELS:]:
        path.unlink()
