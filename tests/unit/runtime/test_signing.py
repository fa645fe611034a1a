"""Signatures are those of botocore, which is what storage expects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from mldeploy_runtime.signing import Credentials, read_credentials, signed_headers

if TYPE_CHECKING:
    from pathlib import Path

URL = "http://storage.example:9000/bucket/models/churn/0f3a.onnx"
REGION = "eu-central-1"


@pytest.mark.parametrize("token", ["", "session-token"])
def test_a_request_is_signed_as_botocore_signs_it(token: str) -> None:
    request = AWSRequest("GET", URL)
    S3SigV4Auth(BotoCredentials("key", "secret", token or None), "s3", REGION).add_auth(request)
    now = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    headers = signed_headers(URL, REGION, Credentials("key", "secret", token), now)
    assert headers["Authorization"].replace(",", ", ") == request.headers["Authorization"]
    assert headers["x-amz-content-sha256"] == request.headers["X-Amz-Content-SHA256"]


def test_without_credentials_nothing_is_signed() -> None:
    assert signed_headers(URL, REGION, None) == {}


def test_credentials_come_from_the_environment_or_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-environment")
    assert read_credentials(tmp_path) is None
    (tmp_path / "AWS_SECRET_ACCESS_KEY").write_text("from-file\n")
    assert read_credentials(tmp_path) == Credentials("from-environment", "from-file")


def test_credentials_never_show_their_secrets() -> None:
    assert "hidden" not in repr(Credentials("key", "hidden", "hidden"))
