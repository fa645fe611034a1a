"""What is kept for a rollback, and that the rest goes without a complaint."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mldeploy.errors import MldeployError
from mldeploy.host.executor import Result, reveal
from mldeploy.host.layout import AppFolder
from mldeploy.release.retention import clean
from mldeploy.release.state import AppState, Container, Slots
from tests.unit.local_executor import LocalExecutor
from tests.unit.release.test_ledger import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldeploy.host.executor import Secret, Text
    from mldeploy.release.ledger import History


class DockerHost(LocalExecutor):
    """Containers with the images that they were made from; as Docker's, an image in use is not removed."""

    def __init__(self, containers: dict[str, str], others: dict[str, str] | None = None) -> None:
        self.containers = containers | (others or {})
        self.images = set(self.containers.values())

    def run(
        self, argv: Sequence[str | Secret], *, stdin: Text = "", deadline: float = 30, check: bool = True
    ) -> Result:
        match [reveal(argument) for argument in argv]:
            case ["docker", "image", "ls", *_]:
                return Result("\n".join(f"{image}\t" for image in self.images), "", 0)
            case ["docker", "image", "rm", image]:
                if image in self.containers.values():
                    return Result("", f"conflict: unable to remove {image}: a container is using it", 1)
                self.images.remove(image)
            case ["docker", "rm", *_, name]:
                del self.containers[name]
            case other:
                raise AssertionError(f"nothing else is asked of Docker: {other}")
        return Result("", "", 0)


def state_of(history: History, host: DockerHost, serving: str) -> AppState:
    folder = AppFolder("churn")
    containers = {
        name: Container(name, "running" if name == folder.container(serving) else "exited", "")
        for name in host.containers
    }
    return AppState(folder, history, containers, frozenset({serving}), Slots("10.0.0.16", "10.0.0.17"))


@pytest.fixture
def twice_rolled_back() -> History:
    """r2 and r4 are one version, so of one image, shipped and rolled back from twice; then r5 is shipped."""
    writer = Writer()
    writer.ship("r1", None)
    writer.ship("r2", "r1")
    writer.rollback("r1", "r2")
    writer.ship("r4", "r1")
    writer.rollback("r1", "r4")
    writer.ship("r5", "r1")
    history = writer.history
    return replace(history, releases=history.releases | {"r4": history.releases["r2"]})


def test_an_image_that_releases_share_goes_with_the_last_container_made_from_it(twice_rolled_back: History) -> None:
    host = DockerHost({"churn-r1": "img@r1", "churn-r4": "img@r2", "churn-r5": "img@r5"})
    clean(host, state_of(twice_rolled_back, host, "r5"))
    assert set(host.containers) == {"churn-r1", "churn-r5"}
    assert host.images == {"img@r1", "img@r5"}


def test_the_last_releases_that_served_and_their_images_stay() -> None:
    writer = Writer()
    releases = [f"r{number}" for number in range(1, 8)]
    for release, previous in zip(releases, [None, *releases], strict=False):
        writer.ship(release, previous)
    host = DockerHost({f"churn-{release}": f"img@{release}" for release in releases})
    clean(host, state_of(writer.history, host, "r7"))
    assert set(host.containers) == {f"churn-r{number}" for number in range(3, 8)}
    assert host.images == {f"img@r{number}" for number in range(3, 8)}


def test_what_cannot_be_removed_is_said_after_the_rest_is_gone(twice_rolled_back: History) -> None:
    host = DockerHost({"churn-r1": "img@r1", "churn-r5": "img@r5"}, others={"somebody-else": "img@r2"})
    state = state_of(twice_rolled_back, host, "r5")
    with pytest.raises(MldeployError, match="could not be removed") as failure:
        clean(host, state)
    assert "a container is using it" in failure.value.cause


class MuteHost(DockerHost):
    """Removing an image fails there without a word."""

    def run(
        self, argv: Sequence[str | Secret], *, stdin: Text = "", deadline: float = 30, check: bool = True
    ) -> Result:
        if [*argv[:3]] == ["docker", "image", "rm"]:
            return Result("", "", 137)
        return super().run(argv, stdin=stdin, deadline=deadline, check=check)


def test_what_cannot_be_removed_without_a_word_is_said_with_its_exit_code(twice_rolled_back: History) -> None:
    host = MuteHost({"churn-r4": "img@r2", "churn-r5": "img@r5"})
    with pytest.raises(MldeployError, match="could not be removed") as failure:
        clean(host, state_of(twice_rolled_back, host, "r5"))
    assert "img@r2` ended with exit code 137" in failure.value.cause
