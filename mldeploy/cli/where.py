"""Which host and which app a command is about."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mldeploy.config import load_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.host.executor import Executor
    from mldeploy.host.layout import AppFolder


@contextmanager
def app_on_host(host: str | None, app: str | None) -> Iterator[tuple[Executor, AppFolder]]:
    from mldeploy.host.layout import AppFolder
    from mldeploy.host.names import choose_host
    from mldeploy.host.ssh import connect
    from mldeploy.release.rollback import choose_app

    config = load_config()
    with connect(choose_host(config, host), config) as ssh:
        yield ssh, AppFolder(choose_app(ssh, app or config.app.name))


@contextmanager
def app_to_be(host: str | None, app: str | None) -> Iterator[tuple[Executor, AppFolder]]:
    """As `app_on_host`, for an app that may still have to be shipped: then that of the newest bundle."""
    from mldeploy.bundle import newest_bundle, read_bundle
    from mldeploy.host.layout import AppFolder
    from mldeploy.host.names import choose_host
    from mldeploy.host.ssh import connect
    from mldeploy.release.rollback import choose_app
    from mldeploy.release.state import apps_on

    config = load_config()
    with connect(choose_host(config, host), config) as ssh:
        name = app or config.app.name
        if name is None:
            name = choose_app(ssh, None) if apps_on(ssh) else read_bundle(newest_bundle(config.build_dir)).manifest.name
        yield ssh, AppFolder(name)
