"""How an image comes to a host: through a registry that both sides reach, or through the SSH connection."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mldeploy.host.commands import docker
from mldeploy.host.ssh import connect
from mldeploy.host.ssh_executor import LOOPBACK, ForwardingRefusedError
from mldeploy.image import build_image, push_image
from mldeploy.image.archive import digest_of, write_archive
from mldeploy.image.login import find_login
from mldeploy.image.offer import Offer
from mldeploy.image.progress import layer_bars
from mldeploy.image.tree import Sink
from mldeploy.plan import Step
from mldeploy.release.start import TRANSFER_SECONDS, has_image, pull

if TYPE_CHECKING:
    from collections.abc import Callable

    from mldeploy.bundle import Bundle
    from mldeploy.config import Config
    from mldeploy.host.executor import Executor
    from mldeploy.host.ssh_executor import SshExecutor
    from mldeploy.image import Image
    from mldeploy.image.progress import Moved

CONTAINERD_STORE = "io.containerd.snapshotter"


class Delivery(Protocol):
    """The way of a bundle's image to hosts."""

    def steps(self) -> list[Step]:
        """What is done on this machine first, once for all hosts."""
        ...

    def reference(self, executor: Executor) -> str:
        """The name, with a digest, of the image on this host; empty before `steps` were carried out."""
        ...

    def fetch(self, executor: Executor) -> str | None:
        """Have the image on this host; gives a detail worth showing."""
        ...


def delivery_of(bundle: Bundle, config: Config, architecture: str) -> Delivery:
    """The way that the settings ask for, for hosts of this architecture."""
    platform = config.image.platform or f"linux/{architecture}"
    if config.registry:
        return ThroughRegistry(bundle, config, platform, config.registry)
    return ThroughConnection(bundle, config, platform)


@dataclass
class ThroughRegistry:
    """Pushed to a registry, from which hosts pull it by digest; `pushed` is its name there."""

    bundle: Bundle
    config: Config
    platform: str
    registry: str
    pushed: str = ""

    def steps(self) -> list[Step]:
        return [Step(f"image for {self.platform} into {self.registry}", self._publish)]

    def reference(self, executor: Executor) -> str:  # noqa: ARG002  a digest is the same everywhere
        return self.pushed

    def fetch(self, executor: Executor) -> str | None:
        if has_image(executor, self.pushed):
            return "it was there"
        login = find_login(self.registry.partition("/")[0])
        pull(executor, self.pushed, login if login and login.password else None)
        return None

    def _publish(self) -> str:
        self.pushed = push_image(
            build_image(self.bundle, self.config.image, self.platform, model=self.config.model), self.registry
        )
        return self.pushed.rpartition("@")[2][:19]


@dataclass
class ThroughConnection:
    """Without a registry: hosts pull it by digest from this machine, through a port that SSH forwards.

    Where SSH may not forward, it is streamed. Both ways move only the layers that the host lacks.
    """

    bundle: Bundle
    config: Config
    platform: str
    image: Image | None = None

    def steps(self) -> list[Step]:
        return [Step(f"image for {self.platform}", self._build)]

    def reference(self, executor: Executor) -> str:
        """The image's id: there is no repository to name it by."""
        if self.image is None:
            return ""
        composition = self.image.composition
        by_manifest = CONTAINERD_STORE in executor.run(docker.image_store()).stdout
        return composition.digest if by_manifest else digest_of(composition.config)

    def fetch(self, executor: Executor) -> str | None:
        reference = self.reference(executor)
        if self.image is None or has_image(executor, reference):
            return "it was there"
        # A connection of its own: on a slow line the lock's heartbeat would wait behind the image.
        with connect(executor.name, self.config) as ssh, layer_bars() as moved:
            try:
                count = pull_through(ssh, executor, self.image, moved)
            except ForwardingRefusedError:
                count = stream(ssh, executor, self.image, moved)
        executor.run(docker.name_image(reference, self.image.reference))
        return f"{count / 1e6:.2f} MB moved"

    def _build(self) -> str:
        self.image = build_image(self.bundle, self.config.image, self.platform, model=self.config.model)
        return self.image.composition.digest[:19]


def pull_through(ssh: SshExecutor, executor: Executor, image: Image, moved: Moved) -> int:
    """Let the host pull `image` from this machine; gives how many bytes it asked for.

    Raises ForwardingRefusedError when the host's sshd forwards no ports.
    """
    with Offer(image.composition, moved) as offer, ssh.forwarded(offer.process_request) as port:
        name = f"{LOOPBACK}:{port}/{image.name}@{image.composition.digest}"
        pull(executor, name)
        # That address is gone with the connection, so another name has to keep the image.
        executor.run(docker.name_image(name, image.reference))
        executor.run(docker.remove_image(name))
        return offer.sent


def stream(ssh: SshExecutor, executor: Executor, image: Image, moved: Moved) -> int:
    """Send `image` to the host's Docker as an archive of what it lacks; gives how many bytes that were."""
    listed = executor.run(docker.image_layers()).stdout.splitlines()
    present = image.composition.layers_present(json.loads(line) for line in listed)
    sent = 0

    def write(send: Callable[[bytes], object]) -> None:
        nonlocal sent
        archive = Sink(send)
        write_archive(image.composition, archive, present=present, moved=moved)
        sent = archive.size

    ssh.feed(docker.load(), write, deadline=TRANSFER_SECONDS)
    return sent
