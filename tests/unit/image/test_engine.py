from __future__ import annotations

import errno

import pytest
from docker.errors import APIError, DockerException
from requests.exceptions import ReadTimeout

from mldeploy.errors import MldeployError, UnreachableError, UsageError
from mldeploy.image.engine import explained


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        APIError("500 Server Error", explanation="write /var/lib/docker/tmp/x: no space left on device"),
    ],
)
def test_a_full_disk_is_named_whoever_finds_it_full(failure: Exception) -> None:
    with pytest.raises(MldeployError, match="the disk is full") as told, explained("build the image"):
        raise failure
    assert "docker system df" in told.value.remedy


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (APIError("409", explanation="conflict"), MldeployError),
        (DockerException("odd"), MldeployError),
        (PermissionError(errno.EACCES, "Permission denied"), MldeployError),
        (ReadTimeout("read timed out"), UnreachableError),
    ],
)
def test_what_docker_or_the_system_says_becomes_the_cause(failure: Exception, kind: type[MldeployError]) -> None:
    with pytest.raises(kind, match="Docker could not build the image") as told, explained("build the image"):
        raise failure
    assert type(told.value) is kind
    assert told.value.cause


def test_our_own_errors_pass_unchanged() -> None:
    with pytest.raises(UsageError, match="as it was"), explained("build the image"):
        raise UsageError("as it was")
