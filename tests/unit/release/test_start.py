"""How a release's image comes to be on its host again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mldeploy.errors import MldeployError
from mldeploy.host.executor import Result, reveal
from mldeploy.release.start import have_image
from tests.unit.local_executor import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldeploy.host.executor import Secret, Text

PULLED, BY_ID = "registry.example/churn@sha256:1", "sha256:2"


class DockerHost(LocalExecutor):
    """A host with these images; `pulled` are those that it was told to pull."""

    def __init__(self, *images: str) -> None:
        self.images = images
        self.pulled: list[str] = []

    def run(
        self, argv: Sequence[str | Secret], *, stdin: Text = "", deadline: float = 30, check: bool = True
    ) -> Result:
        match [reveal(argument) for argument in argv]:
            case ["docker", "image", "inspect", *_, image]:
                return Result("", "", 0 if image in self.images else 1)
            case ["docker", "pull", *_, image]:
                self.pulled.append(image)
                return Result("", "", 0)
        raise AssertionError(f"nothing else is asked of Docker: {argv}")


@pytest.mark.parametrize("image", [PULLED, BY_ID])
def test_an_image_that_is_there_needs_no_registry(image: str) -> None:
    host = DockerHost(image)
    have_image(host, image)
    assert host.pulled == []


def test_an_image_that_is_gone_comes_from_its_registry() -> None:
    host = DockerHost()
    have_image(host, PULLED)
    assert host.pulled == [PULLED]


def test_an_image_that_is_gone_and_in_no_registry_has_to_be_shipped_again() -> None:
    host = DockerHost()
    with pytest.raises(MldeployError, match="is gone from here") as failure:
        have_image(host, BY_ID)
    assert failure.value.remedy == "Ship its bundle again."
    assert host.pulled == []
