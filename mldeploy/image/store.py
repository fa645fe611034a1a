"""Models too large for an image: put into object storage, from where the server fetches them at its start."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import rich.progress
from pyarrow.fs import FileType, S3FileSystem

from mldeploy import console
from mldeploy.errors import UnreachableError

if TYPE_CHECKING:
    from mldeploy.bundle import Bundle
    from mldeploy.config import ModelConfig

SCHEMA = 1
TIMEOUT_S = 10
CHUNK_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class StoredModel:
    """What store.json in the image says; the server reads it. `size` is in bytes."""

    schema: int
    address: str
    url: str
    region: str
    sha256: str
    size: int

    def to_bytes(self) -> bytes:
        return (json.dumps(asdict(self), indent=2) + "\n").encode()


def stored_model(bundle: Bundle, settings: ModelConfig) -> StoredModel | None:
    """Where the settings want this bundle's model; None for one that goes into the image.

    An original that serves as it is always does.
    """
    if settings.store is None or not bundle.model_path.is_file():
        return None
    size = bundle.model_path.stat().st_size
    if size <= settings.store_over_mb * 1e6:
        return None
    with bundle.model_path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    address = f"{settings.store}/{sha256}.onnx"
    endpoint = settings.endpoint or f"https://s3.{settings.region}.amazonaws.com"
    url = f"{endpoint}/{address.removeprefix('s3://')}"
    return StoredModel(SCHEMA, address, url, settings.region, sha256, size)


def upload_model(bundle: Bundle, stored: StoredModel) -> bool:
    """Put the model where `stored` says, unless it is there; gives whether it was put.

    We are who the usual AWS variables and files say. Raises UnreachableError when the storage does not take it.
    """
    parts = urlsplit(stored.url)
    path = parts.path.lstrip("/")
    try:
        storage = S3FileSystem(
            region=stored.region,
            scheme=parts.scheme,
            endpoint_override=parts.netloc,
            connect_timeout=TIMEOUT_S,
            request_timeout=TIMEOUT_S,
        )
        found = storage.get_file_info(path)
        if found.type == FileType.File and found.size == stored.size:
            return False
        with (
            rich.progress.open(
                bundle.model_path,
                "rb",
                description="model",
                console=console.err,
                transient=True,
                disable=not console.err.is_terminal,
            ) as source,
            storage.open_output_stream(path) as target,
        ):
            shutil.copyfileobj(source, target, CHUNK_BYTES)
    except OSError as failure:
        raise UnreachableError(
            f"the model cannot be put at {stored.address}",
            cause=str(failure).splitlines()[0][:500],
            remedy="Check model.store and model.endpoint in mldeploy.toml, that the bucket exists, and that "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY may write to it.",
        ) from failure
    return True
