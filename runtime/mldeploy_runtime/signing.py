"""Requests to object storage, signed as AWS Signature Version 4 says, with the standard library alone.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

SECRETS = Path("/run/secrets")
NO_CONTENT = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Credentials:
    key: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def read_credentials(secrets: Path = SECRETS) -> Credentials | None:
    """The usual AWS variables, from the environment or from files of these names; None asks as the public does."""
    key, secret, token = (
        os.environ.get(name) or _read(secrets / name)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    )
    return Credentials(key, secret, token) if key and secret else None


def signed_headers(
    url: str, region: str, credentials: Credentials | None, now: datetime | None = None
) -> dict[str, str]:
    """The headers that let a GET of `url`, which has no query, be answered; none without credentials."""
    if credentials is None:
        return {}
    parts = urlsplit(url)
    time = f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    headers = {"host": parts.netloc, "x-amz-content-sha256": NO_CONTENT, "x-amz-date": time}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    named = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = "\n".join(["GET", parts.path, "", lines, named, NO_CONTENT])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.key}/{scope},SignedHeaders={named},Signature={signature}"
    )
    return headers


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
